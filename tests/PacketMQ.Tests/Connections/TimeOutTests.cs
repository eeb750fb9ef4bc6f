using System.Net;
using System.Net.Sockets;
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
        _time.Beat(4);
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
    public async Task A_frame_that_came_in_two_reads_does_not_stand_still_while_its_handler_blocks(Transport transport)
    {
        using var entered = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        await using PeerPair pair = Pair(transport, Packet.Create((_, _) =>
        {
            entered.Set();
            goOn.Wait(Bounded.Limit);
        }));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        byte[] frame = RawEnd.Frame(17, 0xc4, 1, 7);

        await raw.WriteAsync(frame[..7]);
        await UntilIncompleteAsync(connection);
        await raw.WriteAsync(frame[7..]);
        await Task.Run(() => entered.Wait(Bounded.Limit), TestContext.Current.CancellationToken);
        Assert.Equal(0, connection.IncompleteBytes);
        _time.Beat(20);
        bool isEnding = connection.Closing.IsCancellationRequested;
        goOn.Set();
        Assert.False(isEnding);
        Assert.Equal(ConnectionState.Active, connection.State);
    }

    [Theory, AllTransports]
    public async Task A_frame_that_begins_fast_and_then_stands_still_is_found_within_two_grace_periods(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        byte[] frame = RawEnd.Frame(17, [0xc5, 0xc0, 0x00, .. new byte[0xc000]]);

        // Over the whole frame the average would stay above the minimum for more than three minutes.
        await raw.WriteAsync(frame[..10]);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == 10);
        _time.Advance(Second);
        await raw.WriteAsync(frame[10..^1]);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == frame.Length - 1);
        _time.Beat(9);
        Assert.Equal(ConnectionState.Active, connection.State);
        Assert.False(connection.Closing.IsCancellationRequested);
        _time.Advance(Second);

        Assert.Equal(CloseReason.StalledFrame, await raw.ReadSoftQuitAsync());
    }

    [Theory, AllTransports]
    public async Task A_process_that_was_frozen_does_not_blame_its_peers(Transport transport)
    {
        // One in its handshake, one inside a frame, one that reads nothing.
        await using PeerPair pair = Pair(transport, Registries.Sink());
        await using RawEnd late = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await late.ReadFrameAsync());
        await using RawEnd slow = await RawEnd.ConnectAsync(pair);
        Connection receiving = await pair.NextMadeAsync();
        await slow.WriteAsync(RawEnd.Frame(17, 0xc4, 100)[..7]);
        await UntilIncompleteAsync(receiving);
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection sending = await pair.NextMadeAsync();
        Task[] sends = [.. Enumerable.Range(0, 80).Select(_ => sending.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() => sending.IsWaitingForTransport);
        _time.Advance(Second);

        // What a heartbeat sees after a freeze: the clock has gone far ahead at once.
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.False(receiving.Closing.IsCancellationRequested || sending.Closing.IsCancellationRequested);
        Assert.Equal(0, pair.ServerRefused.Reader.Count);

        // But the time-outs are not lost: the minute counted as two seconds. Who is told why is told before the clock goes on.
        _time.Beat(3);
        Assert.Equal(CloseReason.StalledFrame, await slow.ReadSoftQuitAsync());
        _time.Beat(4);
        Assert.Equal(CloseReason.HandshakeTimeout, await late.ReadSoftQuitAsync());
        await _time.BeatUntilAsync(() => sending.Closed.IsCompleted);
        Assert.Equal(CloseReason.SlowConsumer, (await sending.Closed).Reason);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
    }

    [Fact]
    public async Task A_consumer_that_takes_little_but_goes_on_is_not_ended()
    {
        await using var server = new Server(Registries.Server(Registries.Sink()), new PeerOptions { TimeProvider = _time });
        var endPoint = (IPEndPoint)server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var slow = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4_096 };
        await slow.ConnectAsync(endPoint, TestContext.Current.CancellationToken);
        slow.Send(PeerBytes.Handshake(true, (Registries.Name, 17)));
        await Bounded.UntilAsync(() => server.Connections.Length == 1);
        Connection connection = server.Connections[0];
        Task[] sends = [.. Enumerable.Range(0, 100).Select(_ => connection.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() => connection.IsWaitingForTransport);

        // As little as moves anything on, now and then, for four times the time-out.
        int read = 0;
        for (int i = 0; i < 10; i++)
        {
            _time.Beat(4);
            long before = connection.SendProgress;
            for (; connection.SendProgress == before; read += 100)
                await slow.ReceiveAsync(new byte[100], SocketFlags.None, TestContext.Current.CancellationToken).AsTask().Soon();
        }

        Assert.False(connection.Closing.IsCancellationRequested);
        Assert.InRange(read, 1, 60_000); // less than a single write
        await _time.BeatUntilAsync(() => connection.Closed.IsCompleted);
        Assert.Equal(CloseReason.SlowConsumer, (await connection.Closed).Reason);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
    }

    [Theory, AllTransports]
    public async Task A_consumer_that_takes_nothing_ends_the_connection(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        // More than the system and the queue take together, and less than may wait.
        Task[] sends = [.. Enumerable.Range(0, 100).Select(_ => connection.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() => connection.IsWaitingForTransport);
        await _time.BeatUntilAsync(() => connection.Closed.IsCompleted);
        Assert.Equal(CloseReason.SlowConsumer, (await connection.Closed).Reason);
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

    [Theory, AllTransports]
    public async Task A_lost_callback_that_never_returns_holds_up_the_end_for_the_close_time_out_only(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink());
        var called = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        pair.ServerLostHook = (_, _) =>
        {
            called.SetResult(_time.NextTimerAsync(pair.Server.Options.CloseTimeout)); // not before: other steps of the end have one, too
            return new(Task.Delay(Timeout.Infinite));
        };
        (Connection client, Connection server) = await pair.ConnectAsync();

        Task quitting = server.SoftQuitAsync("reason.bye");
        Task deadline = await called.Task.Soon();
        await deadline;
        _time.Advance(pair.Server.Options.CloseTimeout);
        await quitting.Soon();
        Assert.Equal("reason.bye", (await client.Closed.Soon()).Reason.Name);
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

    private static Task UntilIncompleteAsync(Connection connection) => Bounded.UntilAsync(() => connection.IncompleteBytes > 0);
}
