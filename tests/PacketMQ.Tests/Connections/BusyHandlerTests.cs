using System.Buffers;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>What goes on while a handler is busy: the loop reads ahead, notices the end, and leaves the handler its bytes.</summary>
public sealed class BusyHandlerTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    // Too small, too large, and those at which a sum of 32 bits would run over.
    private static readonly uint[] ForbiddenLengths = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffa, 0xffff_fffc, 0xffff_fffd, 0xffff_fffe, 0xffff_ffff];

    private readonly WatchedTime _time = new();

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

    /// <summary>When no more may be read ahead nobody reads, so that only the system knows.</summary>
    [Theory]
    [InlineData(Transport.TcpIPv4, false)]
    [InlineData(Transport.Tls, false)]
    [InlineData(Transport.TcpIPv4, true)]
    [InlineData(Transport.Unix, true)]
    public async Task The_other_sides_end_behind_all_that_may_be_read_ahead_is_noticed_too(Transport transport, bool isClean)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("Only of Linux is it known how to ask for the state of a connection.");
        await using var scene = await FullScene.BeginAsync(transport, _time, farewell: []);
        await AdvanceSecondsAsync(3); // it has read what it may
        Assert.False(scene.Connection.Closed.IsCompleted);
        if (isClean && transport == Transport.TcpIPv4)
            await scene.Raw.EndAsync();
        else
            scene.Raw.Abort(); // which is a clean end on a Unix socket
        if (!isClean)
        {
            await AdvanceUntilAsync(_time, () => scene.Connection.Closed.IsCompleted);
            Assert.Equal(CloseReason.ConnectionReset, (await scene.Connection.Closed).Reason);
            scene.Release.SetResult();
            return;
        }

        await AdvanceUntilAsync(_time, () => scene.Connection.Closing.IsCancellationRequested);
        Assert.False(scene.Connection.Closed.IsCompleted); // what came before is still to be handled
        scene.Release.SetResult();
        Assert.Equal(1L, await scene.Seen.NextAsync());
        Assert.Equal(0x18000, Assert.IsType<byte[]>(await scene.Seen.NextAsync()).Length);
        Assert.Equal(0x4000, Assert.IsType<byte[]>(await scene.Seen.NextAsync()).Length);
        Assert.Equal(CloseReason.Disconnected, (await scene.Connection.Closed.Soon()).Reason);
    }

    [Fact]
    public async Task A_reset_behind_a_softquit_that_waits_for_a_handler_changes_nothing()
    {
        await using var scene = await FullScene.BeginAsync(Transport.TcpIPv4, _time, [.. RawEnd.Frame(17, 2), .. RawEnd.SoftQuit("reason.bye")]);
        await AdvanceUntilAsync(_time, () => scene.Connection.Closing.IsCancellationRequested);
        scene.Raw.Abort();
        await AdvanceSecondsAsync(3);
        Assert.False(scene.Connection.Closed.IsCompleted);
        scene.Release.SetResult();
        Assert.Equal(1L, await scene.Seen.NextAsync());
        Assert.Equal(2L, await scene.Seen.NextAsync());
        Assert.Equal("reason.bye", (await scene.Connection.Closed.Soon()).Reason.Name);
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

    [Theory, AllTransports]
    public async Task A_length_that_nobody_may_send_is_stepped_over_while_a_handler_is_busy_and_refused_behind_it(Transport transport)
    {
        foreach (uint length in ForbiddenLengths)
        {
            var time = new WatchedTime();
            var entered = new TaskCompletionSource();
            var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var packet = Packet.Create(async (_, _) =>
            {
                entered.TrySetResult();
                await release.Task;
            });
            await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()), HeartbeatsOnly(time));
            await using RawEnd raw = await RawEnd.ConnectAsync(pair);
            Connection connection = await pair.NextMadeAsync();

            await raw.WriteAsync(RawEnd.Frame(17, 1));
            await entered.Task.Soon();
            time.Advance(Second);
            await raw.WriteAsync([.. Header(length, 17), 0]);
            await raw.EndAsync();
            await AdvanceUntilAsync(time, () => connection.Closing.IsCancellationRequested); // it has read ahead, up to the end
            release.SetResult();
            CloseInfo info = await connection.Closed.Soon();
            Assert.Equal((length < 2 ? CloseReason.FrameTooSmall : CloseReason.FrameTooLarge, CloseInitiator.Local), (info.Reason, info.Initiator));
        }
    }

    [Fact]
    public async Task Reading_ahead_comes_to_an_end_whatever_length_is_announced()
    {
        foreach (uint length in ForbiddenLengths)
        {
            var bytes = new ReadOnlySequence<byte>([.. RawEnd.Frame(17, 1), .. Header(length, 17), .. new byte[100]]);
            Assert.False(await Task.Run(() => new ReadAhead(0).FindsSoftQuit(bytes)).Soon());
        }
    }

    private static byte[] Header(uint length, ushort packetId)
        => [(byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, (byte)(packetId >> 8), (byte)packetId];

    // A clock that runs away while a write is on its way would look like a slow consumer.
    private static PeerOptions HeartbeatsOnly(WatchedTime time) => new() { TimeProvider = time, SendTimeout = null, MinReceiveRate = null };

    // A heartbeat that comes before the loop waits for its handler sees nothing: then it is the next one's.
    private static Task AdvanceUntilAsync(WatchedTime time, Func<bool> condition)
        => Bounded.UntilAsync(() =>
        {
            time.Advance(Second);
            return condition();
        });

    private async Task AdvanceSecondsAsync(int seconds)
    {
        for (int i = 0; i < seconds; i++)
        {
            _time.Advance(Second);
            await Task.Delay(20); // for the loop, which reads
        }
    }

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

    /// <summary>A handler that takes its time, whatever its token says, with more behind it than may be read ahead.</summary>
    private sealed class FullScene : IAsyncDisposable
    {
        private readonly TaskCompletionSource _entered = new();
        private readonly PeerPair _pair;

        private FullScene(Transport transport, WatchedTime time)
        {
            var packet = Packet.Create(async (data, context) =>
            {
                if (data is 1L)
                {
                    _entered.TrySetResult();
                    await Release.Task;
                }

                await Seen.Packet.OnReceiveAsync(data, context);
            });
            PeerOptions options = HeartbeatsOnly(time) with { MaxReadAheadBytes = 100_000 };
            _pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()), options);
        }

        public TaskCompletionSource Release { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Inbox Seen { get; } = new();

        public RawEnd Raw { get; private set; } = null!;

        public Connection Connection { get; private set; } = null!;

        /// <param name="transport">Between the two.</param>
        /// <param name="time">The server's clock.</param>
        /// <param name="farewell">What comes before the rest, behind the packet that is handled.</param>
        public static async Task<FullScene> BeginAsync(Transport transport, WatchedTime time, byte[] farewell)
        {
            var scene = new FullScene(transport, time);
            scene.Raw = await RawEnd.ConnectAsync(scene._pair);
            scene.Connection = await scene._pair.NextMadeAsync();
            byte[] large = RawEnd.Frame(17, [0xc6, 0, 1, 0x80, 0, .. new byte[0x18000]]);
            byte[] unread = RawEnd.Frame(17, [0xc5, 0x40, 0, .. new byte[0x4000]]); // with room in the system: an end comes no sooner than what is before it
            await scene.Raw.WriteAsync([.. RawEnd.Frame(17, 1), .. farewell, .. large, .. unread]);
            await scene._entered.Task.Soon();
            return scene;
        }

        public async ValueTask DisposeAsync()
        {
            await Raw.DisposeAsync();
            await _pair.DisposeAsync();
        }
    }
}
