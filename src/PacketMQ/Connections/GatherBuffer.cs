using System.Buffers;

namespace PacketMQ.Connections;

/// <summary>
/// Bytes that gather while others are being written: two pooled arrays that change places, and behind them a part of what many
/// connections share. Nothing is held while there are no bytes. Not safe for several threads: its queue's gate guards it.
/// </summary>
internal struct GatherBuffer(ArrayPool<byte> pool)
{
    private const int FirstBytes = 4 * 1024;
    private const int MostFirstBytes = 16 * 1024; // one large batch long ago must not make a small frame that waits count for as much

    private byte[]? _gathering;
    private byte[]? _spare;
    private int _own;
    private int _lastOwn; // how many bytes the last batch had: the next is likely to be like it, and need not grow to it by copying
    private SharedFrames? _shared; // follows the own bytes
    private int _sharedStart;

    /// <summary>How many bytes have gathered.</summary>
    public int Count { get; private set; }

    /// <summary>Adds <paramref name="size"/> bytes, to be filled by the caller.</summary>
    public Span<byte> Reserve(int size)
    {
        if (_shared is not null)
            CopyShared();
        if (_gathering is null || _gathering.Length - _own < size)
            Grow(size);
        Span<byte> reserved = _gathering.AsSpan(_own, size);
        _own += size;
        Count += size;
        return reserved;
    }

    /// <summary>Adds a part of shared frames without copying it, if it follows the last one or nothing is shared yet.</summary>
    public void Append(SharedFrames frames, int start, int size)
    {
        bool isContinuation = _shared == frames && _sharedStart + Count - _own == start;
        if (!isContinuation)
        {
            if (_shared is not null)
                CopyShared();
            frames.AddReference();
            (_shared, _sharedStart) = (frames, start);
        }

        Count += size;
    }

    /// <summary>Takes all that has gathered; the caller owns it until <see cref="GiveBack"/>.</summary>
    public GatheredBatch Take()
    {
        var batch = new GatheredBatch(_gathering ?? [], _own, _shared, _sharedStart, Count - _own);
        _lastOwn = _own;
        _gathering = _spare;
        _spare = null;
        _shared = null;
        _own = Count = 0;
        return batch;
    }

    /// <summary>Gives a taken batch back once its bytes are written.</summary>
    public void GiveBack(in GatheredBatch batch)
    {
        batch.Shared?.Release();
        if (_spare is null && batch.Own.Length > 0)
            _spare = batch.Own;
        else if (batch.Own.Length > 0)
            pool.Return(batch.Own);
    }

    /// <summary>Forgets what has gathered and returns both arrays to the pool.</summary>
    public void Release()
    {
        _shared?.Release();
        _shared = null;
        _own = Count = 0;
        Return(ref _gathering);
        Return(ref _spare);
    }

    private readonly void Return(ref byte[]? array)
    {
        byte[]? returned = array;
        array = null;
        if (returned is not null)
            pool.Return(returned);
    }

    // What comes behind a shared part, and is not its continuation, needs it in front of it. Without memory it stays where it is.
    private void CopyShared()
    {
        SharedFrames shared = _shared!;
        int size = Count - _own;
        if (_gathering is null || _gathering.Length - _own < size)
            Grow(size);
        shared.Slice(_sharedStart, size).Span.CopyTo(_gathering.AsSpan(_own));
        _own += size;
        _shared = null;
        shared.Release();
    }

    private void Grow(int size)
    {
        int needed = _own + size;
        if (_gathering is null)
            needed = Math.Max(needed, Math.Clamp(_lastOwn, FirstBytes, MostFirstBytes));
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

        _gathering.AsSpan(0, _own).CopyTo(larger);
        byte[]? smaller = _gathering;
        _gathering = larger;
        Return(ref smaller);
    }
}

/// <summary>What is being written: own bytes, then a part of shared ones.</summary>
internal readonly record struct GatheredBatch(byte[] Own, int OwnCount, SharedFrames? Shared, int SharedStart, int SharedCount)
{
    public int Count => OwnCount + SharedCount;

    /// <summary>The next piece to write, at most <paramref name="maxSize"/> bytes.</summary>
    public ReadOnlyMemory<byte> Piece(int start, int maxSize) => start < OwnCount
        ? Own.AsMemory(start, Math.Min(OwnCount - start, maxSize))
        : Shared!.Slice(SharedStart + start - OwnCount, Math.Min(Count - start, maxSize));
}
