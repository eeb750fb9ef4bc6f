using System.Net;
using PacketMQ;
using PolyType;

// The conversation of the documentation, with both sides in one program and real TCP between them. It is also the program that CI
// publishes with NativeAOT.

// The server keeps its own ids. EchoPacket sends each payload back under another packet; the typed packet answers with another type.
var serverRegistry = new PacketRegistry();
serverRegistry.AddPacket("myapplication:mypacket", new EchoPacket("myapplication:myprintpacket"), 17);
serverRegistry.AddPacket("myapplication:myprintpacket", new PrintPacket(), 18);
var move = new Packet<Move>((data, context) =>
{
    Console.WriteLine($"[server] a {nameof(Move)} came: {data}");
    return context.ReplyAsync("myapplication:moved", new Moved { Player = data.Player, Distance = Math.Abs(data.X) + Math.Abs(data.Y) });
});
serverRegistry.AddPacket("myapplication:move", move, 19);
serverRegistry.AddPacket("myapplication:moved", new Packet<Moved>(), 20);

await using var server = new Server(serverRegistry);
server.ConnectionMade += (_, e) => Console.WriteLine($"[server] connection {e.Connection.Id} is made");
server.ConnectionLost += (_, e) => Console.WriteLine($"[server] connection {e.Connection.Id} is lost: {e.CloseInfo}");
IPEndPoint endPoint = server.Listen(0);

// The client has the same names under ids of its own and adapts. It takes the last packet dynamically: a map, not a Moved.
var echoed = new TaskCompletionSource<object?>();
var moved = new TaskCompletionSource<object?>();
var clientRegistry = new PacketRegistry(adaptPacketIds: true);
clientRegistry.AddPacket("myapplication:mypacket", new EchoPacket("myapplication:myprintpacket"), 101);
clientRegistry.AddPacket("myapplication:myprintpacket", Packet.Create((data, _) => echoed.SetResult(data)), 102);
var sendMove = new Packet<Move>();
clientRegistry.AddPacket("myapplication:move", sendMove, 103);
clientRegistry.AddPacket("myapplication:moved", Packet.Create((data, _) => moved.SetResult(data)), 104);

await using var client = new Client(clientRegistry);
Connection connection = await client.ConnectAsync("localhost", endPoint.Port);
Console.WriteLine($"[client] connected; the server has {string.Join(", ", connection.PeerPacketNames)}");

// A dynamic value: keys and elements of any mix of types.
var value = new Dictionary<object, object?>
{
    ["foo"] = "bar",
    [123] = null,
    [0.001] = true,
    ["mylist"] = new[] { "abc", "def" },
};
await client.SendAsync("myapplication:mypacket", value);
var back = (PacketMap)(await echoed.Task)!;
Console.WriteLine($"[client] came back with {back.Count} keys; foo is {back["foo"]}, 123 is {back[123] ?? "null"}, 0.001 is {back[0.001]}");

// A typed value.
await client.SendAsync(sendMove, new Move { Player = "anna", X = 3, Y = -4 });
var answer = (PacketMap)(await moved.Task)!;
Console.WriteLine($"[client] {answer["Player"]} moved by {answer["Distance"]}");

await connection.SoftQuitAsync();
await server.StopAsync();
Console.WriteLine("done");

/// <summary>Where a player wants to go.</summary>
[GenerateShape]
internal sealed partial record Move
{
    public required string Player { get; init; }

    public required int X { get; init; }

    public required int Y { get; init; }
}

/// <summary>How far that was.</summary>
[GenerateShape]
internal sealed partial record Moved
{
    public required string Player { get; init; }

    public required int Distance { get; init; }
}
