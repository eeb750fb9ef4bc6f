using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class MemoryPeerTests
{
    [Fact]
    public async Task Connecting_and_disconnecting_calls_all_callbacks_on_both_sides()
    {
        var story = new List<string>();
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()));
        await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
        foreach ((Peer peer, string name) in new (Peer, string)[] { (server, "server"), (client, "client") })
        {
            peer.ConnectionMade += (_, made) => Tell(story, $"{name} made {made.Connection.Id}");
            peer.ConnectionLost += (_, lost) => Tell(story, $"{name} lost {lost.CloseInfo.Reason} {lost.CloseInfo.Initiator}");
        }

        Connection connection = await client.ConnectAsync(server).Soon();
        await Bounded.UntilAsync(() => server.Connections.Length == 1);
        Connection accepted = server.Connections[0];
        await client.DisconnectAsync(server).Soon();
        await Task.WhenAll(connection.Closed, accepted.Closed).Soon();

        Assert.Equal(
            ["client lost reason.generic Local", "client made 1", "server lost reason.generic Remote", "server made 1"], story.Order(StringComparer.Ordinal));
        Assert.True(story.IndexOf("client made 1") < story.IndexOf("client lost reason.generic Local"));
    }

    [Fact]
    public async Task A_client_disconnects_from_the_server_it_names_or_from_the_first()
    {
        await using var first = new MemoryServer(Registries.Server(Registries.Sink()));
        await using var second = new MemoryServer(Registries.Server(Registries.Sink()));
        await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.DisconnectAsync());
        Connection toFirst = await client.ConnectAsync(first).Soon();
        Connection toSecond = await client.ConnectAsync(second).Soon();
        Connection again = await client.ConnectAsync(second).Soon();

        await client.DisconnectAsync(second).Soon();
        Assert.True(toSecond.Closed.IsCompleted && again.Closed.IsCompleted && !toFirst.Closed.IsCompleted);
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.DisconnectAsync(second));
        await client.DisconnectAsync().Soon();
        Assert.True(toFirst.Closed.IsCompleted);
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.DisconnectAsync());
    }

    [Fact]
    public async Task A_client_may_disconnect_in_connection_made()
    {
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()));
        await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
        var disconnecting = new TaskCompletionSource<Task>();
        client.ConnectionMade += (_, _) => disconnecting.TrySetResult(client.DisconnectAsync(server));
        Connection connection = await client.ConnectAsync(server).Soon();
        await (await disconnecting.Task.Soon()).Soon();
        Assert.Equal(CloseReason.Generic, (await connection.Closed.Soon()).Reason);
    }

    [Fact]
    public async Task A_stopped_server_is_unreachable_and_a_stopped_client_connects_no_more()
    {
        var server = new MemoryServer(Registries.Server(Registries.Sink()));
        var client = new MemoryClient(Registries.Client(Registries.Sink()));
        await server.StopAsync().Soon();
        var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync(server).Soon());
        Assert.Equal(CloseReason.Unreachable, closed.CloseInfo.Reason);
        Assert.False(client.TryGetConnection(1, out _));

        await using var other = new MemoryServer(Registries.Server(Registries.Sink()));
        await client.StopAsync().Soon();
        closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync(other).Soon());
        Assert.Equal(CloseReason.Shutdown, closed.CloseInfo.Reason);
        await other.StopAsync().Soon();
        await Assert.ThrowsAsync<ArgumentNullException>(() => client.ConnectAsync(null!));
    }

    [Fact]
    public async Task Threads_may_connect_send_and_disconnect_side_by_side()
    {
        int received = 0;
        int made = 0;
        int lost = 0;
        await using var server = new MemoryServer(Registries.Server(Packet.Create((_, _) => { Interlocked.Increment(ref received); })));
        server.ConnectionMade += (_, _) => Interlocked.Increment(ref made);
        server.ConnectionLost += (_, _) => Interlocked.Increment(ref lost);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
            for (int i = 0; i < 20; i++)
            {
                Connection connection = await client.ConnectAsync(server);
                for (int j = 0; j < 5; j++)
                    await connection.SendAsync(Registries.Name, j);
                await client.DisconnectAsync(server);
            }
        }))).Soon();

        await server.StopAsync().Soon();
        Assert.Equal((160, 160, 800), (made, lost, received));
    }

    private static void Tell(List<string> story, string what)
    {
        lock (story)
            story.Add(what);
    }
}
