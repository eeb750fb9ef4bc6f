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
