using System.Buffers;
using System.Threading.Tasks.Sources;

namespace PacketMQ.Connections;

/// <summary>
/// The frames of one connection that wait for room in its send queue, first come first served. A sender that awaits its sends has one
/// here; the bounds are for those that do not. Not safe for several threads: its queue's gate guards it.
/// </summary>
/// <param name="maxBytes">How many bytes may wait; one frame may always.</param>
/// <param name="maxCount">How many frames may wait.</param>
/// <param name="account">Where the bytes count.</param>
internal sealed class WaitingFrames(long maxBytes, int maxCount, BufferAccount account)
{
    // What a frame that waits costs besides its bytes.
    private const int Overhead = 512;

    private WaitingFrame? _last;
    private WaitingFrame? _spare; // whoever waited once will wait again
    private int _count;
    private long _bytes;

    public WaitingFrame? First { get; private set; }

    /// <summary>A copy of a frame, to be added; whoever gets it sees to it that it comes back to <see cref="Recycle"/>.</summary>
    public WaitingFrame Copy<TFrame>(SendQueue queue, in TFrame frame)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        WaitingFrame copy = Interlocked.Exchange(ref _spare, null) ?? new WaitingFrame(queue);
        frame.WriteTo(copy.Rent(frame.Size));
        return copy;
    }

    /// <summary>Takes a frame back that nobody awaits any more.</summary>
    public void Recycle(WaitingFrame frame)
    {
        frame.Return();
        Volatile.Write(ref _spare, frame);
    }

    /// <summary>Adds a frame behind the others. False: there is no room; it was not added.</summary>
    public bool TryAdd(WaitingFrame frame)
    {
        if (_count >= maxCount || (_count > 0 && _bytes + frame.Bytes.Length > maxBytes))
            return false;
        account.Add(frame.Bytes.Length + Overhead); // first: it may find no memory
        _bytes += frame.Bytes.Length;
        _count++;
        frame.IsWaiting = true;
        frame.Previous = _last;
        if (_last is null)
            First = frame;
        else
            _last.Next = frame;
        _last = frame;
        return true;
    }

    /// <summary>Takes a frame out, wherever it stands. False: it does not wait any more.</summary>
    public bool TryRemove(WaitingFrame frame)
    {
        if (!frame.IsWaiting)
            return false;
        frame.IsWaiting = false;
        if (frame.Previous is null)
            First = frame.Next;
        else
            frame.Previous.Next = frame.Next;
        if (frame.Next is null)
            _last = frame.Previous;
        else
            frame.Next.Previous = frame.Previous;
        (frame.Previous, frame.Next) = (null, null);
        _bytes -= frame.Bytes.Length;
        account.Add(-frame.Bytes.Length - Overhead);
        _count--;
        return true;
    }
}

/// <summary>A frame that waits for room, and what its sender awaits. Used again and again, so that waiting allocates nothing.</summary>
internal sealed class WaitingFrame(SendQueue queue) : IValueTaskSource<bool>
{
    private ManualResetValueTaskSourceCore<bool> _core = new() { RunContinuationsAsynchronously = true };
    private byte[] _rented = [];
    private int _size;

    public SendQueue Queue { get; } = queue;

    /// <summary>The whole frame, header and payload.</summary>
    public ReadOnlySpan<byte> Bytes => _rented.AsSpan(0, _size);

    /// <summary>The place among the waiting; kept by <see cref="WaitingFrames"/>.</summary>
    public WaitingFrame? Previous { get; set; }

    /// <inheritdoc cref="Previous"/>
    public WaitingFrame? Next { get; set; }

    /// <summary>Not any more once it was let in, turned away or given up.</summary>
    public bool IsWaiting { get; set; }

    /// <summary>Whether it was appended, once that is known. To be awaited once.</summary>
    public ValueTask<bool> Appended => new(this, _core.Version);

    public void SetAppended(bool isAppended) => _core.SetResult(isAppended);

    public void SetCanceled(CancellationToken cancellationToken) => _core.SetException(new OperationCanceledException(cancellationToken));

    public Span<byte> Rent(int size)
    {
        _size = size;
        _rented = ArrayPool<byte>.Shared.Rent(size);
        return _rented.AsSpan(0, size);
    }

    public void Return()
    {
        ArrayPool<byte>.Shared.Return(_rented);
        (_rented, _size) = ([], 0);
        _core.Reset();
    }

    bool IValueTaskSource<bool>.GetResult(short token) => _core.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<bool>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<bool>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _core.OnCompleted(continuation, state, token, flags);
}
