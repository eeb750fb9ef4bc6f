using System.Buffers;

namespace PacketMQ.Transports;

/// <summary>
/// The bytes that were received and not yet consumed, in a chain of pooled arrays. Bytes never move: a slice stays valid until it
/// is consumed or the buffer is cleared, however much is received behind it. Memory follows what arrives, never what a peer
/// announces: arrays start small and grow to <see cref="LargestArray"/> only while receives fill them, so that a peer who sends
/// three bytes of a frame and falls silent pins 4 KiB. Not thread-safe: its reader lets one thread in at a time.
/// </summary>
/// <remarks>A mutable struct: keep it in a field that is not readonly.</remarks>
internal struct ReceiveBuffer(ArrayPool<byte> pool)
{
    public const int SmallestArray = 4 * 1024;
    public const int LargestArray = 64 * 1024;

    private ArrayPool<byte> _pool = pool;

    // None while there are no bytes, and nothing is about to be received.
    private ReceiveSegment? _first;
    private ReceiveSegment? _last;

    // A consumed segment with its array, for the frame that crosses from one segment into the next under steady load.
    private ReceiveSegment? _spare;

    private int _start;
    private int _nextArray = SmallestArray;
    private long _examined;
    private long _index; // while there is no segment: how many bytes there have been

    /// <summary>Takes another pool, while no array is held.</summary>
    public void UsePool(ArrayPool<byte> pool) => _pool = pool;

    public readonly bool IsEmpty => _first is null || _first.RunningIndex + _start == _last!.EndIndex;

    public readonly bool HasUnexaminedBytes => _last is not null && _examined < _last.EndIndex;

    /// <summary>All unconsumed bytes. Its positions are what <see cref="Advance"/> takes.</summary>
    public ReadOnlySequence<byte> Bytes
    {
        get
        {
            ReceiveSegment last = GetLast();
            return new ReadOnlySequence<byte>(_first!, _start, last, last.Length);
        }
    }

    /// <summary>Where the next bytes go; never empty. They count only once <see cref="Fill"/> says how many there are.</summary>
    public Span<byte> GetFreeSpace()
    {
        ReceiveSegment last = GetLast();
        // A short tail would mean a receive for a few bytes: rather leave it unused.
        if (last.Length > 0 && last.FreeLength < last.Array!.Length / 16)
        {
            ReceiveSegment next = _spare ?? ReceiveSegment.Rent(last.EndIndex);
            _spare = null;
            last.Append(next);
            _last = last = next;
        }

        if (last.Length == 0 && (last.Array is null || last.Array.Length < _nextArray))
        {
            Return(last);
            last.Attach(_pool.Rent(_nextArray));
        }

        return last.FreeSpace;
    }

    /// <summary>The same as memory, for receives that are not synchronous.</summary>
    public Memory<byte> GetFreeMemory()
    {
        GetFreeSpace();
        return _last!.FreeMemory;
    }

    public void Fill(int count)
    {
        ReceiveSegment last = _last!;
        last.Fill(count);
        if (last.FreeLength == 0)
            _nextArray = Math.Min(LargestArray, _nextArray * 4);
        else if (count < _nextArray / 16)
            _nextArray = Math.Max(SmallestArray, _nextArray / 4);
    }

    /// <summary>Gives up the bytes before <paramref name="consumed"/>; those before <paramref name="examined"/> are not news any more.</summary>
    public void Advance(SequencePosition consumed, SequencePosition examined)
    {
        long consumedIndex = IndexOf(consumed);
        long examinedIndex = IndexOf(examined);
        if (_first is null || consumedIndex < _first.RunningIndex + _start || examinedIndex < consumedIndex || examinedIndex > _last!.EndIndex)
            throw new ArgumentOutOfRangeException(nameof(consumed), "The position does not belong to the bytes of the last read.");
        _examined = Math.Max(_examined, examinedIndex);

        while (_first != _last && consumedIndex >= _first!.EndIndex)
        {
            ReceiveSegment done = _first;
            _first = done.NextSegment!;
            _start = 0;
            Recycle(done);
        }

        _start = (int)(consumedIndex - _first!.RunningIndex);
        if (IsEmpty)
        {
            _first.Empty();
            _start = 0;
        }
    }

    /// <summary>Gives back whatever holds no bytes: what a reader does before it waits. No position behind the last byte may be in use.</summary>
    public void ReturnEmptyArrays()
    {
        if (_spare is not null)
            GiveBack(_spare);
        _spare = null;
        if (_last is not { Length: 0 } last)
            return;
        if (_first != last)
        {
            Return(last);
            return;
        }

        _index = last.RunningIndex;
        _first = _last = null;
        GiveBack(last);
    }

    /// <summary>Gives back everything, consumed or not. No slice may be in use.</summary>
    public void Clear()
    {
        while (_first != _last)
        {
            ReceiveSegment done = _first!;
            _first = done.NextSegment!;
            Recycle(done);
        }

        _first?.Empty();
        _start = 0;
        _examined = _first?.RunningIndex ?? _index;
        ReturnEmptyArrays();
    }

    private ReceiveSegment GetLast() => _last ?? (_first = _last = ReceiveSegment.Rent(_index));

    private static long IndexOf(SequencePosition position)
        => position.GetObject() is ReceiveSegment segment
            ? segment.RunningIndex + position.GetInteger()
            : throw new ArgumentException("The position does not come from this reader.", nameof(position));

    private void Recycle(ReceiveSegment segment)
    {
        segment.Empty();
        if (_spare is null)
            _spare = segment;
        else
            GiveBack(segment);
    }

    private void GiveBack(ReceiveSegment segment)
    {
        Return(segment);
        segment.GiveBack();
    }

    private void Return(ReceiveSegment segment)
    {
        if (segment.Detach() is { } array)
            _pool.Return(array);
    }
}
