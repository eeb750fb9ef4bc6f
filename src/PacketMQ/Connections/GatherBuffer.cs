using System.Buffers;

namespace PacketMQ.Connections;

/// <summary>
/// Bytes that gather while others are being written: two pooled arrays that change places. Nothing is held while there are no bytes.
/// Not safe for several threads: its queue's gate guards it.
/// </summary>
internal struct GatherBuffer(ArrayPool<byte> pool)
{
    private const int FirstBytes = 4 * 1024;

    private byte[]? _gathering;
    private byte[]? _spare;

    /// <summary>How many bytes have gathered.</summary>
    public int Count { get; private set; }

    /// <summary>Adds <paramref name="size"/> bytes, to be filled by the caller.</summary>
    public Span<byte> Reserve(int size)
    {
        if (_gathering is null || _gathering.Length - Count < size)
            Grow(size);
        Span<byte> reserved = _gathering.AsSpan(Count, size);
        Count += size;
        return reserved;
    }

    /// <summary>Takes the array with all that has gathered; the caller owns it until <see cref="GiveBack"/>.</summary>
    public byte[] Take()
    {
        byte[] taken = _gathering ?? [];
        _gathering = _spare;
        _spare = null;
        Count = 0;
        return taken;
    }

    /// <summary>Gives a taken array back once its bytes are written.</summary>
    public void GiveBack(byte[] taken)
    {
        if (_spare is null && taken.Length > 0)
            _spare = taken;
        else if (taken.Length > 0)
            pool.Return(taken);
    }

    /// <summary>Forgets what has gathered and returns both arrays to the pool.</summary>
    public void Release()
    {
        Count = 0;
        Return(ref _gathering);
        Return(ref _spare);
    }

    private readonly void Return(ref byte[]? array)
    {
        if (array is not null)
            pool.Return(array);
        array = null;
    }

    private void Grow(int size)
    {
        int needed = Math.Max(Count + size, FirstBytes);
        byte[] larger;
        if (_spare is { } spare && spare.Length >= needed)
        {
            larger = spare;
            _spare = null;
        }
        else
        {
            larger = pool.Rent(Math.Max(needed, 2 * (_gathering?.Length ?? 0)));
        }

        _gathering.AsSpan(0, Count).CopyTo(larger);
        Return(ref _gathering);
        _gathering = larger;
    }
}
