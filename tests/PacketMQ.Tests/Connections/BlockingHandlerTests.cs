using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Code of the application's that blocks its thread, and the connection's loop with it: no good manners, but no deadlock either.</summary>
public sealed class BlockingHandlerTests
{
    private readonly WatchedTime _time = new();

    [Theory, AllTransports]
    public async Task A_handler_may_block_until_there_is_room_to_send(Transport transport)
    {
        var inbox = new Inbox();
        var packet = Packet.Create((_, context) =>
        {
            for (int i = 0; i < 5; i++)
                Assert.True(context.ReplyAsync(Registries.Name, new byte[60_000]).AsTask().Wait(Bounded.Limit));
        });
        await using var pair = new PeerPair(
            transport, Registries.Server(packet), Registries.Client(inbox.Packet), new PeerOptions { MaxPendingSendBytes = 100_003 });
        (Connection client, _) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        for (int i = 0; i < 5; i++)
            Assert.Equal(60_000, Assert.IsType<byte[]>(await inbox.NextAsync()).Length);
    }

    [Theory, AllTransports]
    public async Task What_a_handler_has_sent_goes_out_at_the_next_heartbeat_even_if_it_blocks(Transport transport)
    {
        using var arrived = new ManualResetEventSlim();
        var packet = Packet.Create((_, context) =>
        {
            Assert.True(context.ReplyAsync(Registries.Name, null).IsCompletedSuccessfully);
            arrived.Wait(Bounded.Limit);
        });
        await using PeerPair pair = Pair(transport, packet, Packet.Create((_, _) => arrived.Set()));
        (Connection client, _) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        await AdvanceUntilAsync(() => arrived.IsSet);
    }

    [Theory, AllTransports]
    public async Task A_handler_that_blocks_until_the_connection_closes_is_told(Transport transport)
    {
        var entered = new TaskCompletionSource();
        bool isTold = false;
        var packet = Packet.Create((_, context) =>
        {
            entered.SetResult();
            isTold = context.ConnectionClosing.WaitHandle.WaitOne(Bounded.Limit);
        });
        await using PeerPair pair = Pair(transport, packet, Registries.Sink());
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        await entered.Task.Soon();
        await server.SoftQuitAsync("reason.bye").Soon();
        Assert.True(isTold);
        Assert.Equal("reason.bye", (await client.Closed.Soon()).Reason.Name);
    }

    [Theory, AllTransports]
    public async Task A_handler_that_blocks_for_ever_does_not_keep_its_peer_from_stopping(Transport transport)
    {
        var entered = new TaskCompletionSource();
        using var block = new ManualResetEventSlim();
        var packet = Packet.Create((_, _) =>
        {
            entered.SetResult();
            block.Wait(Bounded.Limit);
        });
        await using PeerPair pair = Pair(transport, packet, Registries.Sink());
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        await entered.Task.Soon();
        Task stopping = pair.Server.StopAsync();
        await AdvanceUntilAsync(() => stopping.IsCompleted);

        Assert.Equal(CloseReason.Shutdown, (await server.Closed.Soon()).Reason);
        await client.Closed.Soon();
        pair.AssertNoConnectionIsLeft(client, server);
        Assert.Empty(pair.ServerLost);
        block.Set();
        await Bounded.UntilAsync(() => !pair.ServerLost.IsEmpty);
        Assert.Equal((CloseReason.Shutdown, ConnectionState.Closed), (Assert.Single(pair.ServerLost).CloseInfo.Reason, server.State));
    }

    [Theory, AllTransports]
    public async Task A_subscriber_of_connection_lost_that_blocks_for_ever_does_not_keep_the_connection_from_ending(Transport transport)
    {
        using var block = new ManualResetEventSlim();
        await using PeerPair pair = Pair(transport, Registries.Sink(), Registries.Sink());
        pair.Server.ConnectionLost += (_, _) => block.Wait(Bounded.Limit);
        (Connection client, Connection server) = await pair.ConnectAsync();

        Task quitting = server.SoftQuitAsync("reason.bye");
        await AdvanceUntilAsync(() => quitting.IsCompleted);
        Assert.Equal("reason.bye", (await server.Closed.Soon()).Reason.Name);
        await client.Closed.Soon();
        pair.AssertNoConnectionIsLeft(client, server);
        block.Set();
    }

    private PeerPair Pair(Transport transport, Packet server, Packet client)
        => new(
            transport, Registries.Server(server), Registries.Client(client),
            new PeerOptions { TimeProvider = _time, SendTimeout = null, MinReceiveRate = null });

    private Task AdvanceUntilAsync(Func<bool> condition)
        => Bounded.UntilAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return condition();
        });
}
