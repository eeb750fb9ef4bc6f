using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>A network that delivers in small pieces, stands still for a while, or works in one direction only.</summary>
public sealed class SliceAndStallTests
{
    private static readonly object?[] Values = [.. Enumerable.Range(0, 60).Select(i => (object?)new string((char)('a' + (i % 26)), i * 7 % 100))];

    private readonly WatchedTime _time = new();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task However_small_the_pieces_nothing_changes(int seed)
    {
        var random = new Random(seed);
        await using var pair = new ProxiedPair(new PeerOptions { TimeProvider = _time });
        pair.Proxy.SliceSize = seed == 0 ? static () => 1 : () => Next(random);
        (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values);
        Assert.Equal((CloseReason.Unknown, CloseReason.Unknown), (client.Reason, server.Reason));
        Assert.Equal(Values, pair.Received);
        Assert.Equal(Values, pair.Echoes.Values);

        static int Next(Random random)
        {
            lock (random)
                return random.Next(1, 40);
        }
    }

    [Theory]
    [InlineData(Way.ToServer, 0, 0)]
    [InlineData(Way.ToServer, 1, 3)]
    [InlineData(Way.ToServer, 2, 6)]
    [InlineData(Way.ToServer, 10, 2)]
    [InlineData(Way.ToClient, 0, 1)]
    [InlineData(Way.ToClient, 1, 50)]
    [InlineData(Way.ToClient, 30, 0)]
    public async Task After_a_stall_everything_goes_on(Way way, int frame, int at)
    {
        await using var pair = new ProxiedPair(new PeerOptions { TimeProvider = _time });
        pair.Proxy.Fault = new Fault(way, frame, at, FaultKind.Stall);
        Task<(CloseInfo Client, CloseInfo Server)> conversation = pair.ConverseAsync(Values);
        await Bounded.UntilAsync(() => pair.Proxy.Last is not null);
        await pair.Proxy.Last!.Hit.Soon();
        await pair.AssertBystanderIsServedAsync();
        _time.Beat(4); // less than any time-out
        Assert.False(conversation.IsCompleted);

        pair.Proxy.Last.Release();
        (CloseInfo client, CloseInfo server) = await conversation.Soon();
        Assert.Equal((CloseReason.Unknown, CloseReason.Unknown), (client.Reason, server.Reason));
        Assert.Equal(Values, pair.Received);
        Assert.Equal(Values, pair.Echoes.Values);
    }

    [Theory]
    [InlineData(Way.ToServer)]
    [InlineData(Way.ToClient)]
    public async Task A_direction_that_is_lost_in_the_handshake_ends_both_sides(Way way)
    {
        await using var pair = new ProxiedPair(new PeerOptions { TimeProvider = _time });
        await pair.AssertBystanderIsServedAsync();
        pair.Proxy.Fault = new Fault(way, 1, 0, FaultKind.Swallow);
        Task<(CloseInfo Client, CloseInfo Server)> conversation = pair.ConverseAsync(Values);
        // Both sides have begun, and neither comes any further. Beside them the server has the bystander.
        await Bounded.UntilAsync(() => pair.Proxy.Last is { Hit.IsCompleted: true }
            && pair.Server.TryGetConnection(2, out _) && pair.Client.TryGetConnection(1, out _));
        _time.Beat(10);
        await _time.BeatUntilAsync(() => conversation.IsCompleted); // the end of what is swallowed never comes
        (CloseInfo client, CloseInfo server) = await conversation;
        Assert.Equal((CloseReason.HandshakeTimeout, CloseReason.HandshakeTimeout), (client.Reason, server.Reason));
        Assert.Empty(pair.Received);
        await pair.AssertBystanderIsServedAsync();
    }

    [Theory]
    [InlineData(Way.ToServer)]
    [InlineData(Way.ToClient)]
    public async Task A_direction_that_is_lost_inside_a_packet_ends_both_sides(Way way)
    {
        await using var pair = new ProxiedPair(new PeerOptions { TimeProvider = _time });
        await pair.AssertBystanderIsServedAsync();
        pair.Proxy.Fault = new Fault(way, 20, 5, FaultKind.Swallow);
        Task<(CloseInfo Client, CloseInfo Server)> conversation = pair.ConverseAsync(Values);
        await Bounded.UntilAsync(() => pair.Server.Connections.Length == 2 && pair.Client.Connections.Length == 1);
        (Connection here, Connection there) = (pair.Client.Connections[0], pair.Server.Connections[1]);
        (Connection hears, Connection speaks) = way == Way.ToServer ? (there, here) : (here, there);
        await Bounded.UntilAsync(() => pair.Proxy.Last!.Hit.IsCompleted && hears.IncompleteBytes == 5);
        _time.Beat(6); // seen, and five seconds of grace
        await Bounded.UntilAsync(() => speaks.Closing.IsCancellationRequested); // it was told before the clock goes on
        await _time.BeatUntilAsync(() => conversation.IsCompleted); // the end of what is swallowed never comes
        (CloseInfo client, CloseInfo server) = await conversation;
        (CloseInfo deaf, CloseInfo other) = way == Way.ToServer ? (server, client) : (client, server);
        Assert.Equal((CloseReason.StalledFrame, CloseInitiator.Local), (deaf.Reason, deaf.Initiator));
        Assert.Equal((CloseReason.StalledFrame, CloseInitiator.Remote), (other.Reason, other.Initiator));
        await pair.AssertBystanderIsServedAsync();
    }

    [Theory]
    [InlineData(Way.ToServer)]
    [InlineData(Way.ToClient)]
    public async Task A_direction_that_takes_nothing_more_ends_both_sides_once_there_is_much_to_send(Way way)
    {
        await using var pair = new ProxiedPair(new PeerOptions { TimeProvider = _time });
        await pair.AssertBystanderIsServedAsync();
        pair.Proxy.Fault = new Fault(way, 3, 0, FaultKind.Stall);
        Connection client = await pair.Client.ConnectAsync(pair.Proxy.EndPoint).Soon();
        Connection server = await Single(pair.Server, client).Soon();
        Connection sender = way == Way.ToServer ? client : server;
        Task[] sends = [.. Enumerable.Range(0, 100).Select(_ => sender.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return sender.Closed.IsCompleted;
        });
        Assert.Equal(CloseReason.SlowConsumer, (await sender.Closed).Reason);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
        pair.Proxy.Last!.Release();
        await pair.ClientEvents.NextEndAsync();
        await pair.ServerEvents.NextEndAsync();
        await pair.AssertBystanderIsServedAsync();
    }

    // The server's end of what goes through the proxy: the bystander's came first.
    private static async Task<Connection> Single(Server server, Connection client)
    {
        await Bounded.UntilAsync(() => server.Connections.Length == 2);
        Assert.Equal(ConnectionState.Active, client.State);
        return server.Connections[1];
    }
}
