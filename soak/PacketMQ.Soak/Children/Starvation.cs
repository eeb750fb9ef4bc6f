using System.Diagnostics;

namespace PacketMQ.Soak.Children;

/// <summary>A process whose thread pool does nothing but wait for a while, as by an application that blocks its threads.</summary>
internal static class Starvation
{
    // The pool adds a thread or two each second, and each takes the next of them: that they never run out.
    private const int Blockers = 2_000;

    /// <summary>How long an item of the pool then waited for its turn, in seconds.</summary>
    public static Task<double> ForAsync(TimeSpan length)
    {
        var over = new TaskCompletionSource<double>(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new ManualResetEventSlim(); // not disposed: the last of them may still be leaving it
        var clock = new Thread(() =>
        {
            Thread.Sleep(length);
            release.Set();
        })
        { IsBackground = true };
        for (int i = 0; i < Blockers; i++)
            ThreadPool.UnsafeQueueUserWorkItem(static release => release.Wait(), release, preferLocal: false);
        long begun = Stopwatch.GetTimestamp();
        ThreadPool.UnsafeQueueUserWorkItem(_ => over.SetResult(Stopwatch.GetElapsedTime(begun).TotalSeconds), null);
        clock.Start();
        return over.Task;
    }
}
