using System.Buffers;

namespace PacketMQ.Transports;

/// <summary>
/// One pooled array in the chain of received bytes. The <see cref="ReceiveBuffer"/> that made it owns it. While a segment is the
/// last of its chain its <see cref="ReadOnlySequenceSegment{T}.Memory"/> only ever grows, in place: whoever still reads an
/// earlier slice sees the same array at the same offset.
/// </summary>
internal sealed class ReceiveSegment : ReadOnlySequenceSegment<byte>
{
    /// <summary>How many all threads together keep, besides one for each thread.</summary>
    public const int MostKept = 1_024;

    private static readonly Lock Keeping = new(); // guards the two below
    private static ReceiveSegment? _kept; // the first of a chain
    private static int _keptCount;

    // One for each thread: what wakes up, reads and goes to sleep on it allocates nothing, and what sleeps holds nothing. The others are for
    // frames that cross from one segment into the next; they may come back on another thread than took them.
    [ThreadStatic]
    private static ReceiveSegment? _ofThread;

    /// <summary>How many are kept, besides one for each thread.</summary>
    public static int Kept => Volatile.Read(ref _keptCount);

    /// <summary>An empty one, without an array.</summary>
    /// <param name="index">The index of its first byte in the stream.</param>
    public static ReceiveSegment Rent(long index)
    {
        ReceiveSegment rented = _ofThread ?? RentKept();
        _ofThread = null;
        rented.RunningIndex = index;
        return rented;
    }

    /// <summary>Gives an empty one back, without an array. No position in it may be in use.</summary>
    public void GiveBack()
    {
        if (_ofThread is null)
        {
            _ofThread = this;
            return;
        }

        lock (Keeping)
        {
            if (_keptCount == MostKept)
                return;
            Next = _kept;
            _kept = this;
            _keptCount++;
        }
    }

    public byte[]? Array { get; private set; }

    /// <summary>How many bytes of <see cref="Array"/> were received.</summary>
    public int Length { get; private set; }

    public int FreeLength => Array is null ? 0 : Array.Length - Length;

    public Span<byte> FreeSpace => Array.AsSpan(Length);

    public Memory<byte> FreeMemory => Array.AsMemory(Length);

    public ReceiveSegment? NextSegment => (ReceiveSegment?)Next;

    public long EndIndex => RunningIndex + Length;

    public void Attach(byte[] array) => Array = array;

    /// <summary>Takes the array away, for the pool. Only an empty segment can spare it.</summary>
    public byte[]? Detach()
    {
        byte[]? array = Array;
        Array = null;
        Memory = default;
        return array;
    }

    public void Fill(int count)
    {
        Length += count;
        Memory = new ReadOnlyMemory<byte>(Array, 0, Length);
    }

    public void Append(ReceiveSegment next)
    {
        next.RunningIndex = EndIndex;
        Next = next;
    }

    /// <summary>Forgets the bytes and keeps the array. The index goes on counting, so that a stale position is told from a valid one.</summary>
    public void Empty()
    {
        RunningIndex = EndIndex;
        Length = 0;
        Memory = default;
        Next = null;
    }

    private static ReceiveSegment RentKept()
    {
        lock (Keeping)
        {
            if (_kept is not { } rented)
                return new ReceiveSegment();
            _kept = rented.NextSegment;
            _keptCount--;
            rented.Next = null;
            return rented;
        }
    }
}
