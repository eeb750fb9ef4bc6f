using Microsoft.Extensions.Time.Testing;

namespace PacketMQ.Tests.Support;

/// <summary>A clock that only a test moves, and that tells when somebody has begun to wait for it.</summary>
internal sealed class WatchedTime : FakeTimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<(TimeSpan DueTime, TaskCompletionSource Begun)> _watches = [];

    /// <summary>The moment at which the next timer with this due time is set. Ask before it can happen.</summary>
    public Task NextTimerAsync(TimeSpan dueTime)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
            _watches.Add((dueTime, begun));
        return begun.Task.Soon();
    }

    /// <summary>
    /// Moves the clock; what falls due meanwhile has run when this returns. (The clock's own may leave it to another thread that happens to set a
    /// timer: then several seconds come as one, and a heartbeat that comes late counts for two of them at most.)
    /// </summary>
    public new void Advance(TimeSpan time)
    {
        base.Advance(time);
        using var hasRun = new ManualResetEventSlim();
        using ITimer behindTheOthers = base.CreateTimer(_ => hasRun.Set(), null, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        Assert.True(hasRun.Wait(Bounded.Limit));
    }

    /// <summary>So many heartbeats of a peer, a second apart.</summary>
    public void Beat(int count)
    {
        for (; count > 0; count--)
            Advance(TimeSpan.FromSeconds(1));
    }

    /// <summary>
    /// Heartbeats until something is so. They come a real millisecond apart: a clock that runs as fast as it is turned would reach every
    /// time-out, however long, before a busy machine has done what is waited for.
    /// </summary>
    public async Task BeatUntilAsync(Func<bool> condition)
    {
        using var end = new CancellationTokenSource(Bounded.Limit);
        while (!condition())
        {
            Beat(1);
            await Task.Delay(1, end.Token);
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ITimer timer = base.CreateTimer(callback, state, dueTime, period);
        lock (_gate)
        {
            foreach ((_, TaskCompletionSource begun) in _watches.Where(watch => watch.DueTime == dueTime))
                begun.TrySetResult();
            _watches.RemoveAll(watch => watch.DueTime == dueTime);
        }

        return timer;
    }
}
