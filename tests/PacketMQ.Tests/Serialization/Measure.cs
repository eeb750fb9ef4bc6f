using System.Diagnostics;

namespace PacketMQ.Tests.Serialization;

/// <summary>Time and memory of one call, each the least of several rounds: the other tests run at the same time.</summary>
internal static class Measure
{
    /// <summary>What one call allocates on this thread, in bytes, once everything is compiled and pooled.</summary>
    public static long AllocatedBytes(Action action, int times = 1_000)
    {
        long least = long.MaxValue;
        for (int round = 0; round < 6; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < times; i++)
                action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        return least / times;
    }

    public static (TimeSpan First, TimeSpan Second) BestTimes(Action first, Action second)
    {
        TimeSpan bestFirst = TimeSpan.MaxValue;
        TimeSpan bestSecond = TimeSpan.MaxValue;
        for (int round = 0; round < 7; round++)
        {
            bestFirst = Least(bestFirst, first);
            bestSecond = Least(bestSecond, second);
        }

        return (bestFirst, bestSecond);
    }

    private static TimeSpan Least(TimeSpan best, Action action)
    {
        long start = Stopwatch.GetTimestamp();
        action();
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        return elapsed < best ? elapsed : best;
    }
}
