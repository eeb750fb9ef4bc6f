namespace PacketMQ.Tool.Bench;

/// <summary>Sums a histogram up in a few rows whose bounds are evenly spaced on a logarithmic scale.</summary>
internal static class LatencyRows
{
    private const int MaxRows = 18;

    // The steps of a decade, in tenths: the well-known series of preferred numbers, and then coarser ones.
    private static readonly int[][] Series =
    [
        [10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82],
        [10, 15, 22, 33, 47, 68],
        [10, 20, 50],
        [10],
    ];

    /// <summary>Makes the rows: the finest that are few enough. Bounds are in nanoseconds, the upper one excluded; no row outside is missing.</summary>
    public static IReadOnlyList<(long From, long To, long Count)> Create(LatencyHistogram histogram)
    {
        if (histogram.Count == 0)
            return [];
        foreach (int[] steps in Series)
        {
            IReadOnlyList<(long, long, long)> rows = Create(histogram, steps);
            if (rows.Count <= MaxRows || steps.Length == 1)
                return rows;
        }

        return [];
    }

    private static List<(long From, long To, long Count)> Create(LatencyHistogram histogram, int[] steps)
    {
        var rows = new List<(long, long, long)>();
        long from = 0;
        foreach (long to in Bounds(steps))
        {
            if (to > histogram.Min)
            {
                // The first and the last row take what the rounding of the buckets leaves outside.
                bool isLast = to > histogram.Max;
                rows.Add((from, to, histogram.CountBetween(rows.Count == 0 ? 0 : from, isLast ? long.MaxValue : to)));
                if (isLast)
                    break;
            }

            from = to;
        }

        return rows;
    }

    private static IEnumerable<long> Bounds(int[] steps)
    {
        // Below 100 ns there is no network.
        for (long decade = 10; decade < long.MaxValue / 100; decade *= 10)
        {
            foreach (int step in steps)
                yield return decade * step;
        }
    }
}
