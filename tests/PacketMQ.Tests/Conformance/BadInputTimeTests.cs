using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>The cases of the catalogue that are about time, on a clock that only the test moves.</summary>
public sealed class BadInputTimeTests
{
    private static readonly Side[] Sides = [Side.Server, Side.Client];

    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    public static TheoryData<Side> BothSides { get; } = [.. Sides];

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task F09_half_a_prefix_and_silence_ends_with_the_handshake_timeout(Side side)
        => CheckHandshakeTimeoutAsync(side, second => second == 0 ? new byte[2] : []);

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task The_rate_of_a_frame_does_not_count_in_a_handshake_that_may_take_long(Side side)
        => CheckHandshakeTimeoutAsync(side, second => second == 0 ? new byte[2] : [], seconds: 30);

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task F09_half_a_prefix_and_silence_once_active_is_a_stalled_frame(Side side) => CheckStalledFrameAsync(side, new byte[2], 0);

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task F10_a_byte_every_ten_seconds_is_a_stalled_frame(Side side)
        => CheckStalledFrameAsync(side, WireBytes.Hex(BadInputCase.All["F10"].Bytes), 0);

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task F18_the_packet_before_garbage_is_handled_and_the_garbage_is_a_stalled_frame(Side side)
        => CheckStalledFrameAsync(side, [.. BadInputTable.ToTarget([0xc0]), 0x00, 0x00, 0x01], 1);

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task H14_silence_ends_with_the_handshake_timeout(Side side) => CheckHandshakeTimeoutAsync(side, _ => []);

    [Theory]
    [MemberData(nameof(BothSides))]
    public Task H16_a_byte_every_nine_seconds_does_not_prolong_the_handshake(Side side)
        => CheckHandshakeTimeoutAsync(side, second => second % 9 == 0 ? [0] : []);

#pragma warning disable xUnit1051 // every wait is bounded

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task S07_a_peer_that_never_closes_after_our_softquit_is_cut(Side side)
    {
        var time = new WatchedTime();
        await using PeerUnderTest peer = NewPeer(side, time);
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        await using Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
        Connection connection = await encounter.MadeAsync();
        Task deadline = time.NextTimerAsync(TimeSpan.FromSeconds(5));
        Task quitting = connection.SoftQuitAsync("reason.bye");

        // The end of our stream comes at once, and not as a reset.
        await AssertSaysWhyAsync(encounter.Raw, "reason.bye");
        Assert.False(encounter.Raw.WasReset);
        await deadline;
        time.Advance(TimeSpan.FromSeconds(4.9));
        await bystander.ExchangeAsync(5);
        Assert.False(quitting.IsCompleted);
        Assert.False(connection.Closed.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal("reason.bye", (await connection.Closed.WaitAsync(RawPeer.Patience)).Reason.Name);
        await quitting.WaitAsync(RawPeer.Patience);
        await AssertIsCutAsync(encounter.Raw);
        await bystander.StopAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task S07_a_peer_that_never_closes_after_our_refusal_is_cut(Side side)
    {
        var time = new WatchedTime();
        await using PeerUnderTest peer = NewPeer(side, time);
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        await using Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
        Connection connection = await encounter.MadeAsync();
        Task deadline = time.NextTimerAsync(TimeSpan.FromSeconds(5));
        await encounter.Raw.SendAsync(WireBytes.Hex("ffffffff"));
        Assert.Equal(WireBytes.SoftQuit(CloseReason.FrameTooLarge), (await encounter.Raw.ReadToEndAsync())[^1]);
        await deadline;

        // It keeps sending, and is read and forgotten until the time is up.
        await encounter.Raw.SendAsync(new byte[100_000]);
        Assert.False(connection.Closed.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(CloseReason.FrameTooLarge, (await connection.Closed.WaitAsync(RawPeer.Patience)).Reason);
        await AssertIsCutAsync(encounter.Raw);
        await bystander.StopAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task Q08_a_softquit_that_can_not_be_written_does_not_keep_the_connection(Side side)
    {
        var time = new WatchedTime();
        await using PeerUnderTest peer = NewPeer(side, time);
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        await using Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
        Connection connection = await encounter.MadeAsync();

        // More than any socket buffer takes, to a side that reads nothing.
        encounter.Raw.StopReading();
        Task[] sends = [.. Enumerable.Range(0, 100).Select(_ => connection.SendAsync("app:reply", new byte[90_000]).AsTask())];
        Assert.Contains(sends, send => !send.IsCompleted);
        Task deadline = time.NextTimerAsync(TimeSpan.FromSeconds(5));
        Task quitting = connection.SoftQuitAsync("reason.bye");
        await deadline;
        time.Advance(TimeSpan.FromSeconds(4.9));
        await bystander.ExchangeAsync(5);
        Assert.False(connection.Closed.IsCompleted);

        // Telling the handlers has a timer of five seconds too, so the one for writing may start at any time later.
        await Bounded.UntilAsync(() =>
        {
            time.Advance(Second);
            return connection.Closed.IsCompleted;
        });
        Assert.Equal("reason.bye", (await connection.Closed).Reason.Name);
        await quitting.WaitAsync(RawPeer.Patience);

        // Nobody waits for ever: what was not handed over is told so.
        foreach (Task send in sends)
            Assert.True(await Record.ExceptionAsync(() => send.WaitAsync(RawPeer.Patience)) is null or ConnectionClosedException);
        await bystander.StopAsync();
    }

#pragma warning restore xUnit1051
    private static PeerUnderTest NewPeer(Side side, TimeProvider time, TargetLog? log = null, int handshakeSeconds = 10)
        => new(
            side, (log ?? new TargetLog()).NewRegistry(side == Side.Client, TargetLog.Dynamic),
            new PeerOptions { TimeProvider = time, HandshakeTimeout = TimeSpan.FromSeconds(handshakeSeconds) });

    private static async Task CheckHandshakeTimeoutAsync(Side side, Func<int, byte[]> bytesAt, int seconds = 10)
    {
        var time = new WatchedTime();
        await using PeerUnderTest peer = NewPeer(side, time, handshakeSeconds: seconds);
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        await using Encounter encounter = await peer.OpenAsync();
        Assert.Equal(WireBytes.Init, await encounter.Raw.ReadFrameAsync());
        for (int second = 0; second < seconds; second++)
        {
            Assert.False(encounter.Raw.HasNews, $"It ended before second {second}.");
            await encounter.Raw.SendAsync(bytesAt(second));
            await bystander.ExchangeAsync(5);
            time.Advance(Second);
        }

        await AssertSaysWhyAsync(encounter.Raw, CloseReason.HandshakeTimeout);
        await encounter.Raw.DisposeAsync();
        CloseInfo end = await encounter.EndedAsync();
        Assert.Equal((CloseReason.HandshakeTimeout, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.False(encounter.WasMade);
        await bystander.StopAsync();
    }

    private static async Task CheckStalledFrameAsync(Side side, byte[] bytes, int handled)
    {
        var time = new WatchedTime();
        var log = new TargetLog();
        await using PeerUnderTest peer = NewPeer(side, time, log);
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        await using Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
        await encounter.Raw.SendAsync(bytes);
        for (int i = 0; i < handled; i++)
            Assert.Equal(WireBytes.Frame(TargetLog.ReplyId, 0xc0), await encounter.Raw.ReadFrameAsync());

        // The next byte would come after ten seconds. When the end is decided the clock stands still, so that the reason can be told.
        Connection connection = await encounter.MadeAsync();
        int handledBytes = handled * BadInputTable.ToTarget([0xc0]).Length;
        await Bounded.UntilAsync(() => connection.IncompleteBytes == bytes.Length - handledBytes);
        int seconds = 0;
        for (; seconds < 10 && !connection.Closing.IsCancellationRequested; seconds++)
        {
            await bystander.ExchangeAsync(5);
            time.Advance(Second);
        }

        Assert.Equal(6, seconds); // the first heartbeat sees it, then come five seconds of grace
        await AssertSaysWhyAsync(encounter.Raw, CloseReason.StalledFrame);
        Assert.Equal(CloseReason.StalledFrame, (await encounter.EndedAsync()).Reason);
        Assert.Equal(handled, log.Handled);
        await bystander.StopAsync();
    }

    /// <summary>All that still comes is a softquit with this reason, then the end of the stream.</summary>
    private static async Task AssertSaysWhyAsync(RawPeer raw, CloseReason reason)
    {
        List<byte[]> frames = await raw.ReadToEndAsync();
        Assert.Equal([Convert.ToHexString(WireBytes.SoftQuit(reason))], frames.Select(Convert.ToHexString));
    }

    /// <summary>The other side's reset shows when this side writes.</summary>
    private static async Task AssertIsCutAsync(RawPeer raw)
    {
        using var timeout = new CancellationTokenSource(RawPeer.Patience);
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (true)
            {
                timeout.Token.ThrowIfCancellationRequested();
                await raw.SendAsync(new byte[1]);
            }
        });
    }
}
