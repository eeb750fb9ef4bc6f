using System.Buffers;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Every time-out, on a clock that only the test moves.</summary>
public sealed class TimeOutTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly WatchedTime _time = new();

    [Theory, AllTransports]
    public async Task The_handshake_time_out_counts_from_the_beginning_whatever_arrives(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await raw.ReadFrameAsync()); // INIT: the connection has begun
        byte[] init = RawEnd.Frame(0, [0x81, 0xc4, 7, .. "version"u8, 1]);

        for (int i = 0; i < 9; i++)
        {
            await raw.WriteAsync(init[i]);
            _time.Advance(Second);
        }

        Assert.Equal((0, 0), (pair.ServerRefused.Reader.Count, pair.ServerLost.Count));
        await raw.WriteAsync(init[9]);
        _time.Advance(Second);
        Assert.Equal(CloseReason.HandshakeTimeout, await raw.ReadSoftQuitAsync());
        await raw.EndAsync();
        ConnectionLostEventArgs refused = await pair.ServerRefused.Reader.ReadAsync().Soon();
        Assert.Equal((CloseReason.HandshakeTimeout, CloseInitiator.Local), (refused.CloseInfo.Reason, refused.CloseInfo.Initiator));
        await refused.Connection.Closed.Soon();
    }

    [Fact]
    public async Task A_connection_that_is_made_in_time_is_left_alone()
    {
        var inbox = new Inbox();
        await using PeerPair pair = Pair(Transport.TcpIPv4, inbox.Packet);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        _time.Advance(TimeSpan.FromHours(3));
        await raw.WriteAsync(RawEnd.Frame(17, 1));
        Assert.Equal(1L, await inbox.NextAsync());
        Assert.Equal(ConnectionState.Active, connection.State);
    }

    [Theory, AllTransports]
    public async Task A_frame_that_stands_still_ends_the_connection(Transport transport)
    {
        var inbox = new Inbox();
        await using PeerPair pair = Pair(transport, inbox.Packet);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        await raw.WriteAsync([.. RawEnd.Frame(17, 1), .. RawEnd.Frame(17, 0xc4, 100)[..7]]);
        Assert.Equal(1L, await inbox.NextAsync());
        await UntilIncompleteAsync(connection);
        _time.Advance(Second); // seen
        _time.Advance(4 * Second);
        Assert.False(connection.Closing.IsCancellationRequested);
        Assert.Equal(ConnectionState.Active, connection.State);
        _time.Advance(Second);

        Assert.Equal(CloseReason.StalledFrame, await raw.ReadSoftQuitAsync());
        await raw.EndAsync();
        Assert.Equal((CloseReason.StalledFrame, CloseInitiator.Local), ((await connection.Closed.Soon()).Reason, (await connection.Closed).Initiator));
    }

    [Fact]
    public async Task A_frame_that_arrives_at_the_slowest_rate_is_waited_for()
    {
        var inbox = new Inbox();
        await using PeerPair pair = Pair(Transport.TcpIPv4, inbox.Packet);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        byte[] frame = RawEnd.Frame(17, [0xc5, 0x10, 0x00, .. new byte[0x1000]]);

        long sent = 0;
        foreach (byte[] part in frame.Chunk(250))
        {
            await raw.WriteAsync(part);
            sent += part.Length;
            if (sent < frame.Length)
            {
                await Bounded.UntilAsync(() => connection.IncompleteBytes == sent);
                _time.Advance(Second);
            }
        }

        Assert.IsType<byte[]>(await inbox.NextAsync());
        Assert.Equal(ConnectionState.Active, connection.State);
    }

    [Theory, AllTransports]
    public async Task A_consumer_that_takes_nothing_ends_the_connection(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        // More than the system and the queue take together.
        Task[] sends = [.. Enumerable.Range(0, 400).Select(_ => connection.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() => connection.IsWaitingForTransport);
        for (int i = 0; i < 200 && !connection.Closed.IsCompleted; i++)
        {
            _time.Advance(Second);
            await Task.Yield();
        }

        Assert.Equal(CloseReason.SlowConsumer, (await connection.Closed.Soon()).Reason);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
    }

    [Theory, AllTransports]
    public async Task A_peer_that_never_closes_is_cut_after_the_close_time_out(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        Task deadline = _time.NextTimerAsync(pair.Server.Options.CloseTimeout);
        Task quitting = connection.SoftQuitAsync("reason.bye");
        await deadline;
        Assert.Equal("reason.bye", (await raw.ReadSoftQuitAsync())?.Name);
        _time.Advance(pair.Server.Options.CloseTimeout - TimeSpan.FromTicks(1));
        Assert.False(quitting.IsCompleted);
        _time.Advance(TimeSpan.FromTicks(1));
        await quitting.Soon();

        Assert.Equal("reason.bye", (await connection.Closed).Reason.Name);
        pair.AssertNoConnectionIsLeft(connection);
    }

    public static TheoryData<Transport, bool> CutOrNot
        => [.. AllTransportsAttribute.Available.SelectMany(transport => new[] { (transport, true), (transport, false) })];

    [Theory, MemberData(nameof(CutOrNot))]
    public async Task A_handler_that_outlives_the_end_keeps_its_bytes(Transport transport, bool isCut)
    {
        var entered = new TaskCompletionSource();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var seen = new TaskCompletionSource<byte[]>();
        var packet = new BinaryPacket(async (bytes, _) =>
        {
            entered.TrySetResult();
            await release.Task;
            seen.TrySetResult([.. bytes.ToArray()]);
        });
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()), HeartbeatsOnly(_time));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        byte[] content = [.. Enumerable.Range(0, 200).Select(i => (byte)i)];

        await raw.WriteAsync(RawEnd.Frame(17, [0xc4, 200, .. content]));
        await entered.Task.Soon();
        if (isCut)
        {
            raw.Abort();
            await AdvanceUntilAsync(_time, () => connection.Closing.IsCancellationRequested); // it has read ahead
        }

        _ = connection.SoftQuitAsync();
        await AdvanceUntilAsync(_time, () => connection.Closed.IsCompleted);
        pair.AssertNoConnectionIsLeft(connection);

        // Whoever gets the buffers next writes over them.
        await ScribbleAsync(transport);
        release.SetResult();
        Assert.Equal(content, await seen.Task.Soon());
    }

    [Theory, AllTransports]
    public async Task A_lost_callback_that_never_returns_holds_up_the_end_for_the_close_time_out_only(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        pair.ServerLostHook = (_, _) => new(Task.Delay(Timeout.Infinite));
        (Connection client, Connection server) = await pair.ConnectAsync();

        Task deadline = _time.NextTimerAsync(pair.Server.Options.CloseTimeout);
        Task quitting = server.SoftQuitAsync("reason.bye");
        await deadline;
        _time.Advance(pair.Server.Options.CloseTimeout);
        await quitting.Soon();
        Assert.Equal("reason.bye", (await client.Closed.Soon()).Reason.Name);
    }

    [Theory, AllTransports]
    public async Task While_a_handler_hangs_the_other_sides_end_is_noticed_by_the_next_heartbeat(Transport transport)
    {
        foreach (string end in new[] { "stream", "softquit alone", "reset" })
        {
            var time = new WatchedTime();
            var entered = new TaskCompletionSource();
            var seen = new Inbox();
            var packet = Packet.Create(async (data, context) =>
            {
                if (data is 1L)
                {
                    entered.TrySetResult();
                    await Task.Delay(Timeout.Infinite, context.ConnectionClosing);
                }

                await seen.Packet.OnReceiveAsync(data, context);
            });
            await using var pair = new PeerPair(
                transport, Registries.Server(packet), Registries.Client(Registries.Sink()), HeartbeatsOnly(time));
            await using RawEnd raw = await RawEnd.ConnectAsync(pair);
            Connection connection = await pair.NextMadeAsync();

            await raw.WriteAsync([.. RawEnd.Frame(17, 1), .. RawEnd.Frame(17, 2)]);
            await entered.Task.Soon();
            if (end == "softquit alone")
                await raw.WriteAsync([.. RawEnd.Frame(17, 3), .. RawEnd.SoftQuit("reason.bye")]);
            else if (end == "stream")
                await raw.EndAsync();
            else
                raw.Abort();
            Assert.False(connection.Closing.IsCancellationRequested);
            await AdvanceUntilAsync(time, () => connection.Closing.IsCancellationRequested);
            if (end == "softquit alone")
                await raw.EndAsync();

            CloseInfo info = await connection.Closed.Soon();
            if (end == "reset" && transport != Transport.Unix)
            {
                Assert.Equal(CloseReason.ConnectionReset, info.Reason);
            }
            else
            {
                Assert.Equal(end == "softquit alone" ? "reason.bye" : "reason.disconnected", info.Reason.Name);
                Assert.Equal(2L, await seen.NextAsync()); // what came before the end is handled
                if (end == "softquit alone")
                    Assert.Equal(3L, await seen.NextAsync());
            }

            Assert.True(seen.IsEmpty);
        }
    }

    [Theory, AllTransports]
    public async Task What_was_read_ahead_is_handled_when_the_handler_returns(Transport transport)
    {
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var seen = new Inbox();
        var packet = Packet.Create(async (data, context) =>
        {
            if (data is 1L)
                await release.Task;
            await seen.Packet.OnReceiveAsync(data, context);
        });
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()), HeartbeatsOnly(_time));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        byte[] second = RawEnd.Frame(17, 2);
        byte[] large = RawEnd.Frame(17, [0xc6, 0, 1, 0x80, 0, .. new byte[0x18000]]);
        await raw.WriteAsync([.. RawEnd.Frame(17, 1), .. second[..3]]);
        Task writing = Task.Run(async () =>
        {
            await raw.WriteAsync(second[3..]);
            for (int i = 0; i < 3; i++)
                await raw.WriteAsync(large);
            await raw.WriteAsync(RawEnd.Frame(17, 3));
        });
        await AdvanceUntilAsync(_time, () => writing.IsCompleted); // some transports take less than that without a reader
        await writing;
        Assert.True(seen.IsEmpty);
        release.SetResult();
        Assert.Equal(1L, await seen.NextAsync());
        Assert.Equal(2L, await seen.NextAsync());
        for (int i = 0; i < 3; i++)
            Assert.Equal(0x18000, Assert.IsType<byte[]>(await seen.NextAsync()).Length);
        Assert.Equal(3L, await seen.NextAsync());
        Assert.Equal(ConnectionState.Active, connection.State);
    }

    [Fact]
    public async Task A_callback_of_the_closing_token_that_throws_or_hangs_changes_nothing()
    {
        using var block = new ManualResetEventSlim();
        var entered = new TaskCompletionSource();
        var packet = Packet.Create(async (data, context) =>
        {
            context.ConnectionClosing.Register(() => throw new InvalidOperationException());
            context.ConnectionClosing.Register(() => block.Wait(Bounded.Limit));
            var given = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using CancellationTokenRegistration registration = context.ConnectionClosing.Register(() => given.TrySetResult());
            entered.TrySetResult();
            await given.Task;
        });
        await using PeerPair pair = Pair(Transport.TcpIPv4, packet);
        (Connection client, Connection server) = await pair.ConnectAsync();
        await client.SendAsync(Registries.Name, null);
        await entered.Task.Soon();

        Task hanging = _time.NextTimerAsync(pair.Server.Options.CloseTimeout);
        Task quitting = server.SoftQuitAsync("reason.bye");
        await hanging;
        _time.Advance(pair.Server.Options.CloseTimeout);
        await quitting.Soon();
        Assert.Equal("reason.bye", (await client.Closed.Soon()).Reason.Name);
        block.Set();
    }

    private PeerPair Pair(Transport transport, Packet server)
        => new(transport, Registries.Server(server), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = _time });

    // A clock that runs away while a write is on its way would look like a slow consumer.
    private static PeerOptions HeartbeatsOnly(WatchedTime time) => new() { TimeProvider = time, SendTimeout = null, MinReceiveRate = null };

    // A heartbeat that comes before the loop waits for its handler sees nothing: then it is the next one's.
    private static Task AdvanceUntilAsync(WatchedTime time, Func<bool> condition)
        => Bounded.UntilAsync(() =>
        {
            time.Advance(Second);
            return condition();
        });

    private static Task UntilIncompleteAsync(Connection connection) => Bounded.UntilAsync(() => connection.IncompleteBytes > 0);

    private static async Task ScribbleAsync(Transport transport)
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()));
        for (int i = 0; i < 3; i++)
        {
            (Connection client, _) = await pair.ConnectAsync();
            byte[] other = [.. Enumerable.Repeat((byte)0xee, 3_000)];
            for (int j = 0; j < 20; j++)
                await client.SendAsync(Registries.Name, other);
            for (int j = 0; j < 20; j++)
                await inbox.NextAsync();
        }
    }
}
