namespace PacketMQ.Tests.Conformance;

/// <summary>
/// How much memory something takes. Measured on the whole process, so nothing else may run at the same time (<see cref="AloneInTheProcess"/>),
/// and the attacker's own bytes are in it: the managed bytes that were allocated, against a lawful conversation of the same length, and
/// the pooled buffers that were out at once, as the pools themselves report them.
/// </summary>
internal sealed class MemoryMeasure : IDisposable
{
    /// <summary>What an exception, its trace and its texts may cost a refused connection more than a lawful one.</summary>
    public const long AllocationsOfARefusal = 32 * 1024;

    /// <summary>The smallest receive and send buffers of a connection, a reply's, and those of the round before that are on their way back.</summary>
    public const long SmallestBuffers = 32 * 1024;

    private readonly PoolWatch _pool = new();

    /// <summary>How often a case is repeated; the average is judged, so that what the runtime does by the way does not count.</summary>
    public int Rounds { get; init; } = 10;

    /// <summary>Checks that an attack takes no more than these bytes beyond a lawful conversation.</summary>
    /// <param name="attack">What is measured.</param>
    /// <param name="lawful">What it is compared with.</param>
    /// <param name="bound">How many bytes the attack may make this side hold.</param>
    public async Task AssertBoundAsync(Func<Task> attack, Func<Task> lawful, long bound)
    {
        await MeasureAsync(lawful); // warms up
        await MeasureAsync(attack);
        long usual = long.MaxValue;
        (long Allocated, long Pooled) least = (long.MaxValue, long.MaxValue);

        // The least of several: what the runtime and the test runner do meanwhile only adds, and what the input costs is always in it.
        for (int i = 0; i < 6 && (i == 0 || least.Allocated > usual + bound + AllocationsOfARefusal || least.Pooled > bound + SmallestBuffers); i++)
        {
            usual = Math.Min(usual, (await MeasureAsync(lawful)).Allocated);
            least = Least(least, await MeasureAsync(attack));
        }

        Assert.InRange(least.Allocated, 1, usual + bound + AllocationsOfARefusal);
        Assert.InRange(least.Pooled, 1, bound + SmallestBuffers);
    }

    /// <summary>The least of several times.</summary>
    public async Task<(long Allocated, long Pooled)> MeasureLeastAsync(Func<Task> act, long enough = 0, long enoughPooled = 0)
    {
        (long Allocated, long Pooled) least = (long.MaxValue, long.MaxValue);
        await MeasureAsync(act); // warms up
        for (int i = 0; i < 6 && (least.Allocated > enough || least.Pooled > enoughPooled); i++)
            least = Least(least, await MeasureAsync(act));
        return least;
    }

    public void Dispose() => _pool.Dispose();

    private static (long Allocated, long Pooled) Least((long Allocated, long Pooled) one, (long Allocated, long Pooled) other)
        => (Math.Min(one.Allocated, other.Allocated), Math.Min(one.Pooled, other.Pooled));

    /// <summary>Allocated bytes of one round on average, and the most bytes of pooled buffers that were out at once.</summary>
    private async Task<(long Allocated, long Pooled)> MeasureAsync(Func<Task> act)
    {
        _pool.Reset();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < Rounds; i++)
            await act();
        return ((GC.GetTotalAllocatedBytes(precise: true) - before) / Rounds, _pool.Most);
    }
}
