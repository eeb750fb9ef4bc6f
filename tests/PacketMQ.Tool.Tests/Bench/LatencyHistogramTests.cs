using PacketMQ.Tool.Bench;

namespace PacketMQ.Tool.Tests.Bench;

public sealed class LatencyHistogramTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(12_345)]
    [InlineData(999_999_999)]
    [InlineData(1L << 39)]
    public void A_time_is_read_back_within_the_promised_precision(long nanoseconds)
    {
        var histogram = new LatencyHistogram();
        histogram.Record(nanoseconds);
        histogram.Record(long.MaxValue); // else the percentile is the exact maximum

        Assert.InRange(histogram.Percentile(0.5), nanoseconds, nanoseconds + nanoseconds / 128);
        Assert.Equal(1, histogram.CountBetween(nanoseconds, nanoseconds + nanoseconds / 64 + 1));
        Assert.Equal((2, nanoseconds, long.MaxValue), (histogram.Count, histogram.Min, histogram.Max));
    }

    [Fact]
    public void Percentiles_of_a_known_distribution_are_right()
    {
        var one = new LatencyHistogram();
        var other = new LatencyHistogram();
        for (int i = 1; i <= 10_000; i++)
            (i % 2 == 0 ? one : other).Record(i * 1_000L);
        one.Add(other);

        Assert.Equal(10_000, one.Count);
        foreach ((double share, long expected) in new[] { (0.5, 5_000_000L), (0.9, 9_000_000L), (0.99, 9_900_000L), (0.999, 9_990_000L) })
            Assert.InRange(one.Percentile(share), expected, expected + expected / 128);
        Assert.Equal(10_000_000, one.Percentile(1));
        Assert.Equal(1_000, one.Min);
    }

    [Fact]
    public void Recording_allocates_nothing()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(1);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1_000; i++)
            histogram.Record(i * 977L);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(20_000, 30_000)]
    [InlineData(18_000, 5_000_000)]
    [InlineData(100, 1_000_000_000_000)]
    public void The_rows_are_few_and_leave_nothing_out(long shortest, long longest)
    {
        var histogram = new LatencyHistogram();
        for (long time = shortest; time <= longest; time = time * 5 / 4 + 1)
            histogram.Record(time);
        histogram.Record(longest);

        IReadOnlyList<(long From, long To, long Count)> rows = LatencyRows.Create(histogram);

        Assert.InRange(rows.Count, 1, 18);
        Assert.Equal(histogram.Count, rows.Sum(row => row.Count));
        Assert.True(rows[0].From <= shortest && shortest < rows[0].To, $"{rows[0]}");
        Assert.True(rows[^1].From <= longest && longest < rows[^1].To, $"{rows[^1]}");
        Assert.All(rows.Zip(rows.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
    }

    [Fact]
    public void Without_a_time_there_are_no_rows()
    {
        Assert.Empty(LatencyRows.Create(new LatencyHistogram()));
        Assert.Equal(0, new LatencyHistogram().Percentile(0.5));
    }
}
