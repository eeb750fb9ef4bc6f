using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>The time of day may be set to anything while connections live: only the time that passes counts for them.</summary>
public sealed class WallClockTests
{
    public static TheoryData<int> Hours => [1, -1, 365 * 24, -365 * 24];

    [Theory, MemberData(nameof(Hours))]
    public async Task A_clock_that_is_set_harms_no_connection_whatever_its_state(int hours)
    {
        var time = new WatchedTime();
        var clock = new SettableClock(time);
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = clock });
        await using RawEnd active = await RawEnd.ConnectAsync(pair);
        Connection receiving = await pair.NextMadeAsync();
        byte[] frame = RawEnd.Frame(17, 0xc4, 1, 7);
        await active.WriteAsync(frame[..7]);
        await using RawEnd ending = await RawEnd.ConnectAsync(pair);
        Connection closing = await pair.NextMadeAsync();
        Task deadline = time.NextTimerAsync(pair.Server.Options.CloseTimeout);
        Task quitting = closing.SoftQuitAsync("reason.bye");
        await deadline;
        await using RawEnd opening = await RawEnd.OpenAsync(pair);
        await Bounded.UntilAsync(() => pair.Server.TryGetConnection(3, out _));
        await Bounded.UntilAsync(() => receiving.IncompleteBytes > 0);

        time.Beat(1);
        DateTimeOffset was = clock.GetUtcNow();
        clock.Set = TimeSpan.FromHours(hours);
        time.Beat(3);
        Assert.Equal(was.AddHours(hours).AddSeconds(3), clock.GetUtcNow());

        // Each is as far as it was, and goes on from there.
        Assert.Equal((ConnectionState.Active, ConnectionState.Closing, 0), (receiving.State, closing.State, pair.ServerRefused.Reader.Count));
        Assert.False(quitting.IsCompleted);
        await active.WriteAsync(frame[7..]);
        Assert.Equal(new byte[] { 7 }, await inbox.NextAsync());
        Assert.Equal("reason.bye", (await ending.ReadSoftQuitAsync())?.Name);
        await ending.EndAsync();
        await quitting.Soon();
        Assert.Equal("reason.bye", (await closing.Closed).Reason.Name);
        await opening.ShakeHandsAsync(Registries.Name);
        await pair.NextMadeAsync();
    }

    [Theory, MemberData(nameof(Hours))]
    public async Task A_clock_that_is_set_neither_shortens_nor_lengthens_a_time_out(int hours)
    {
        var time = new WatchedTime();
        var clock = new SettableClock(time);
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = clock });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await raw.ReadFrameAsync());
        time.Beat(5);
        clock.Set = TimeSpan.FromHours(hours);
        time.Beat(4);
        Assert.Equal(0, pair.ServerRefused.Reader.Count);
        time.Beat(1);
        Assert.Equal(CloseReason.HandshakeTimeout, await raw.ReadSoftQuitAsync());
        await raw.EndAsync();
    }

    /// <summary>A clock as systems have it: to set the time of day changes neither timestamps nor timers. (FakeTimeProvider.AdjustTime sets the timestamps, too.)</summary>
    private sealed class SettableClock(TimeProvider inner) : TimeProvider
    {
        /// <summary>By how much it was set.</summary>
        public TimeSpan Set { get; set; }

        public override long TimestampFrequency => inner.TimestampFrequency;

        public override DateTimeOffset GetUtcNow() => inner.GetUtcNow() + Set;

        public override long GetTimestamp() => inner.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
            => inner.CreateTimer(callback, state, dueTime, period);
    }
}
