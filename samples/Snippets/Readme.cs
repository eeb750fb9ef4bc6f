using System.Net;
using PolyType;

namespace PacketMQ.Samples.Snippets;

// <readme-packet>
[GenerateShape]
public partial record Move(string Player, int X, int Y);
// </readme-packet>

internal static class Readme
{
    public static async Task RunAsync()
    {
        // <readme-peers>
        var serverPackets = new PacketRegistry();
        serverPackets.AddPacket("game:move", new Packet<Move>((move, context) => context.ReplyAsync("game:moved", move)), 17);
        serverPackets.AddPacket("game:moved", new Packet<Move>(), 18);
        await using var server = new Server(serverPackets);
        IPEndPoint endPoint = server.Listen(0); // 0: any free port

        var moved = new TaskCompletionSource<Move>();
        var clientPackets = new PacketRegistry(adaptPacketIds: true); // takes the server's ids
        var sendMove = new Packet<Move>();
        clientPackets.AddPacket("game:move", sendMove, 17);
        clientPackets.AddPacket("game:moved", new Packet<Move>((move, _) => moved.SetResult(move)), 18);
        await using var client = new Client(clientPackets);
        await client.ConnectAsync("localhost", endPoint.Port);

        await client.SendAsync(sendMove, new Move("anna", 3, 4));
        Console.WriteLine(await moved.Task); // Move { Player = anna, X = 3, Y = 4 }
        // </readme-peers>
    }
}
