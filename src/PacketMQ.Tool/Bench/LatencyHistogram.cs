using System.Numerics;

namespace PacketMQ.Tool.Bench;

/// <summary>
/// Times in buckets that grow with them: 128 for each doubling, so a time that is read back is wrong by at most 1/128 (0.8 %). Of fixed
/// size, and recording allocates nothing. One thread records; others may look at the same time and see a moment ago.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int PrecisionBits = 7;
    private const int Linear = 1 << PrecisionBits; // below this, a bucket for each nanosecond
    private const int MaxBits = 40; // 18 minutes; what is longer counts as that
    private const int BucketCount = (MaxBits - PrecisionBits + 1) << PrecisionBits;

    private readonly long[] _buckets = new long[BucketCount];
    private long _count;
    private long _min = long.MaxValue;
    private long _max;

    /// <summary>How many times were recorded.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The shortest, in nanoseconds; exact. 0 if there is none.</summary>
    public long Min => Count == 0 ? 0 : _min;

    /// <summary>The longest, in nanoseconds; exact.</summary>
    public long Max => _max;

    /// <summary>Adds one time, in nanoseconds.</summary>
    public void Record(long nanoseconds)
    {
        nanoseconds = Math.Max(nanoseconds, 0);
        _buckets[IndexOf(nanoseconds)]++;
        _min = Math.Min(_min, nanoseconds);
        _max = Math.Max(_max, nanoseconds);
        Volatile.Write(ref _count, _count + 1);
    }

    /// <summary>Adds everything that another histogram has.</summary>
    public void Add(LatencyHistogram other)
    {
        for (int i = 0; i < BucketCount; i++)
            _buckets[i] += other._buckets[i];
        _count += other._count;
        _min = Math.Min(_min, other._min);
        _max = Math.Max(_max, other._max);
    }

    /// <summary>The time, in nanoseconds, that this share (0 to 1) of the recorded times does not exceed. 0 if there is none.</summary>
    public long Percentile(double share)
    {
        long wanted = Math.Max(1, (long)Math.Ceiling(share * Count));
        long seen = 0;
        for (int i = 0; i < BucketCount; i++)
        {
            seen += _buckets[i];
            if (seen >= wanted)
                return Math.Clamp(LowerEdge(i + 1) - 1, Min, Max);
        }

        return Max;
    }

    /// <summary>How many times lie from <paramref name="from"/> (included) to <paramref name="to"/> (excluded), in nanoseconds, to the bucket.</summary>
    public long CountBetween(long from, long to)
    {
        long count = 0;
        int end = to > LowerEdge(BucketCount - 1) ? BucketCount : IndexOf(to);
        for (int i = IndexOf(from); i < end; i++)
            count += _buckets[i];
        return count;
    }

    private static int IndexOf(long nanoseconds)
    {
        if (nanoseconds < Linear)
            return (int)nanoseconds;
        int shift = BitOperations.Log2((ulong)nanoseconds) - PrecisionBits;
        int index = (shift << PrecisionBits) + (int)(nanoseconds >> shift);
        return Math.Min(index, BucketCount - 1);
    }

    private static long LowerEdge(int index)
    {
        int shift = Math.Max(0, (index >> PrecisionBits) - 1);
        return (long)(index - (shift << PrecisionBits)) << shift;
    }
}
