using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

/// <summary>The limits that <c>serve</c> takes on the command line, reached.</summary>
public sealed class LimitTests
{
    private const string Name = "myapplication:mypacket";

    [Fact]
    public async Task One_connection_more_than_there_may_be_is_turned_away()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--max-connections", "2");
        await using ToolProcess running = server;
        await using Client client = NewClient();
        var endPoint = IPEndPoint.Parse(address);
        Connection first = await client.ConnectAsync(endPoint, TestContext.Current.CancellationToken).Soon();
        await client.ConnectAsync(endPoint, TestContext.Current.CancellationToken).Soon();

        var refused = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync(endPoint, TestContext.Current.CancellationToken).Soon());
        // Whether the farewell of one that never got in still arrives is up to the network.
        Assert.Contains(refused.CloseInfo.Reason, new[] { CloseReason.Overloaded, CloseReason.ConnectionReset });
        Assert.Equal(2, client.Connections.Length);

        await first.SoftQuitAsync();
        await server.NextLineAsync("connection 1 lost");
        await ConnectUntilThereIsRoomAsync(client, endPoint);
    }

    [Fact]
    public async Task A_packet_larger_than_it_may_be_ends_its_connection_and_the_largest_does_not()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--max-frame", "100");
        await using ToolProcess running = server;
        await using Client client = NewClient();
        Connection connection = await client.ConnectAsync(IPEndPoint.Parse(address), TestContext.Current.CancellationToken).Soon();

        await connection.SendAsync(Name, new byte[96], TestContext.Current.CancellationToken); // 2 of the id, 2 in front of the bytes
        await server.NextLineAsync("connection 1 " + Name);
        await connection.SendAsync(Name, new byte[97], TestContext.Current.CancellationToken);

        Assert.StartsWith("connection 1 lost: reason.frametoolarge (local)", await server.NextLineAsync(), StringComparison.Ordinal);
        CloseInfo closed = await connection.Closed.Soon();
        Assert.Equal((CloseReason.FrameTooLarge, CloseInitiator.Remote), (closed.Reason, closed.Initiator));
    }

    [Fact]
    public async Task A_client_that_says_nothing_is_refused_when_its_time_is_over()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--handshake-timeout", "0.5");
        await using ToolProcess running = server;
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        long begun = Stopwatch.GetTimestamp();
        await silent.ConnectAsync(IPEndPoint.Parse(address), TestContext.Current.CancellationToken);

        string line = await server.NextLineAsync("connection 1 ");

        Assert.InRange(Stopwatch.GetElapsedTime(begun), TimeSpan.FromSeconds(0.5), Patience.Limit);
        Assert.Equal("connection 1 refused: reason.handshaketimeout (local): The handshake took longer than 0.5 s.", line);
    }

    private static Client NewClient()
    {
        var registry = new PacketRegistry(adaptPacketIds: true);
        registry.AddPacket(Name, Packet.Create((_, _) => { }), 1_000);
        registry.AddPacket("myapplication:myprintpacket", Packet.Create((_, _) => { }), 1_001);
        return new Client(registry);
    }

    // Its line is printed when the connection is lost; its place is free a moment later, when it is closed.
    private static async Task ConnectUntilThereIsRoomAsync(Client client, IPEndPoint endPoint)
    {
        using var end = new CancellationTokenSource(Patience.Limit);
        while (true)
        {
            try
            {
                await client.ConnectAsync(endPoint, end.Token);
                return;
            }
            catch (ConnectionClosedException) when (!end.IsCancellationRequested)
            {
                await Task.Yield();
            }
        }
    }
}
