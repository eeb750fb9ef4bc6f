using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>What became of a frame that was offered to a <see cref="SendQueue"/>.</summary>
internal enum AppendResult
{
    Accepted,

    /// <summary>The bound is reached; <see cref="SendQueue.AppendLaterAsync"/> waits for room.</summary>
    Full,

    /// <summary>The connection takes no more frames.</summary>
    Closed,
}

/// <summary>
/// The bytes that wait to go out on one connection. Any thread appends whole frames under the gate; one drain at a time writes what
/// has gathered to the transport, so frames never interleave and a burst leaves in few writes. No lock is held while writing.
/// </summary>
/// <remarks>
/// Who drains: a frame after a quiet moment is written by its sender at once; in a burst a pool thread takes over, so that one
/// sender does not write for all; above <see cref="InlineThreshold"/> whoever appends writes. While the receive loop hands a batch to
/// the handlers the queue is corked, so that their replies leave together. Buffers are taken while there are bytes, and given back.
/// </remarks>
internal sealed class SendQueue(PipeWriter output, int maxPendingBytes, TimeProvider timeProvider, Action<Exception> onFailed) : IThreadPoolWorkItem
{
    private const int InlineThreshold = 256 * 1024;
    private const int FirstBufferBytes = 4 * 1024;

    // After a write that the transport could not take at once, write less at a time: progress is then visible to the send time-out.
    private const int CautiousWriteBytes = 64 * 1024;

    [ThreadStatic]
    private static long _lastDrainOnThread;

    private readonly long _quietTicks = Math.Max(1, timeProvider.TimestampFrequency / 50_000); // 20 µs
    private SpinGate _gate; // not readonly: it is a struct that changes
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _buffer = [];
    private byte[]? _spare;
    private Queue<WaitingFrame>? _waiting;
    private int _count; // bytes in _buffer
    private int _inFlight; // bytes that the drain has taken and not yet written
    private long _lastDrain;
    private int _progress;
    private bool _draining; // a drain runs or is scheduled
    private bool _corked;
    private bool _closed;
    private bool _failed;

    /// <summary>Counts completed writes; while <see cref="IsWaitingForTransport"/> it tells progress from standstill.</summary>
    public int Progress => Volatile.Read(ref _progress);

    public bool IsWaitingForTransport => Volatile.Read(ref _inFlight) > 0;

    /// <summary>Whether frames gathered while corked.</summary>
    public bool HasCorkedFrames => _corked && Volatile.Read(ref _count) > 0;

    /// <summary>Appends one frame: its header, then <paramref name="head"/> and <paramref name="body"/> as its payload.</summary>
    public AppendResult TryAppend(int wireId, ReadOnlySpan<byte> head, ReadOnlySpan<byte> body)
    {
        DrainBy by;
        using (_gate.Hold())
        {
            if (_closed)
                return AppendResult.Closed;
            int size = WireProtocol.HeaderBytes + head.Length + body.Length;
            if (_waiting is { Count: > 0 } || !HasRoomFor(size))
                return AppendResult.Full;
            Span<byte> frame = Reserve(size);
            FrameWriter.WriteHeader(frame, wireId, head.Length + body.Length);
            head.CopyTo(frame[WireProtocol.HeaderBytes..]);
            body.CopyTo(frame[(WireProtocol.HeaderBytes + head.Length)..]);
            by = ChooseDrain();
        }

        StartDrain(by);
        return AppendResult.Accepted;
    }

    /// <summary>Appends bytes that are whole frames already, above the bound too: the handshake's and the softquit's.</summary>
    public void AppendControl(ReadOnlySpan<byte> frames)
    {
        DrainBy by;
        using (_gate.Hold())
        {
            if (_closed)
                return;
            frames.CopyTo(Reserve(frames.Length));
            by = ChooseDrain();
        }

        StartDrain(by);
    }

    /// <summary>Queues a frame behind those that wait for room already; completes once it is appended.</summary>
    /// <param name="wireId">The packet's id on the wire.</param>
    /// <param name="payload">The payload; belongs to the queue from now on.</param>
    /// <param name="cancellationToken">Gives up waiting; then the frame is not sent.</param>
    /// <returns>Whether the frame was appended; if not, the queue was closed.</returns>
    public async ValueTask<bool> AppendLaterAsync(int wireId, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var frame = new WaitingFrame(wireId, payload);
        DrainBy by;
        using (_gate.Hold())
        {
            if (_closed)
                return false;
            (_waiting ??= new()).Enqueue(frame);
            AdmitWaiting(); // room may have come since the caller looked
            by = _count > 0 ? ChooseDrain() : DrainBy.Nobody;
        }

        StartDrain(by);
        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(
            static (state, token) => ((WaitingFrame)state!).Appended.TrySetCanceled(token), frame);
        return await frame.Appended.Task.ConfigureAwait(false);
    }

    /// <summary>Holds frames back until <see cref="Uncork"/>, the threshold excepted. Called by the receive loop only.</summary>
    public void Cork()
    {
        using (_gate.Hold())
            _corked = true;
    }

    public void Uncork()
    {
        DrainBy by = DrainBy.Nobody;
        using (_gate.Hold())
        {
            _corked = false;
            if (!_draining && _count > 0)
            {
                _draining = true;
                by = DrainBy.Caller;
            }
        }

        StartDrain(by);
    }

    /// <summary>Takes no more frames; completes when all that were appended are written, or the transport has failed.</summary>
    public Task CloseAsync()
    {
        DrainBy by = DrainBy.Nobody;
        using (_gate.Hold())
        {
            Close();
            _corked = false;
            if (!_draining)
            {
                if (_count == 0 || _failed)
                    _drained.TrySetResult();
                else
                    (_draining, by) = (true, DrainBy.Caller);
            }
        }

        StartDrain(by);
        return _drained.Task;
    }

    /// <summary>Takes no more frames and forgets those that wait.</summary>
    public void Abandon()
    {
        using (_gate.Hold())
        {
            Close();
            _failed = true;
            _count = 0;
            if (!_draining)
                _drained.TrySetResult();
        }
    }

    void IThreadPoolWorkItem.Execute() => StartDrain(DrainBy.Caller);

    private int Pending => _count + _inFlight;

    private bool HasRoomFor(int size) => Pending == 0 || Pending + size <= maxPendingBytes;

    private Span<byte> Reserve(int size)
    {
        if (_buffer.Length - _count < size)
            Grow(size);
        Span<byte> reserved = _buffer.AsSpan(_count, size);
        _count += size;
        return reserved;
    }

    private void Grow(int size)
    {
        int needed = Math.Max(_count + size, FirstBufferBytes);
        if (_spare is { } spare && spare.Length >= needed)
        {
            _spare = null;
            Replace(spare);
        }
        else
        {
            Replace(ArrayPool<byte>.Shared.Rent(Math.Max(needed, _buffer.Length * 2)));
        }
    }

    private void Replace(byte[] larger)
    {
        _buffer.AsSpan(0, _count).CopyTo(larger);
        Return(_buffer);
        _buffer = larger;
    }

    private static void Return(byte[]? buffer)
    {
        if (buffer is { Length: > 0 })
            ArrayPool<byte>.Shared.Return(buffer);
    }

    private void Close()
    {
        _closed = true;
        while (_waiting is { } waiting && waiting.TryDequeue(out WaitingFrame? frame))
            frame.Appended.TrySetResult(false);
    }

    // Called under the gate after bytes were appended.
    private DrainBy ChooseDrain()
    {
        if (_draining || (_corked && _count < InlineThreshold))
            return DrainBy.Nobody;
        _draining = true;
        if (_count >= InlineThreshold)
            return DrainBy.Caller;
        // Quietness of the connection alone is not enough: a loop over many connections would make each of them look quiet.
        long now = timeProvider.GetTimestamp();
        bool quiet = now - _lastDrain > _quietTicks && now - _lastDrainOnThread > _quietTicks;
        _lastDrain = _lastDrainOnThread = now;
        return quiet ? DrainBy.Caller : DrainBy.Pool;
    }

    private void StartDrain(DrainBy by)
    {
        if (by == DrainBy.Caller)
            _ = DrainAsync(); // owned by this queue: it never throws, and CloseAsync waits for it
        else if (by == DrainBy.Pool)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private async Task DrainAsync()
    {
        bool cautious = false;
        bool handOver = false;
        try
        {
            while (Take(handOver, out byte[] taken, out int count) is var by && by == DrainBy.Caller)
            {
                for (int written = 0; written < count;)
                {
                    int size = cautious ? Math.Min(count - written, CautiousWriteBytes) : count - written;
                    ValueTask<FlushResult> write = output.WriteAsync(taken.AsMemory(written, size));
                    if (write.IsCompletedSuccessfully)
                    {
                        // A sender that drains for itself writes one batch; what came meanwhile is for the pool.
                        handOver = true;
                    }
                    else
                    {
                        cautious = true;
                        handOver = false;
                    }

                    await write.ConfigureAwait(false);
                    written += size;
                    Volatile.Write(ref _progress, _progress + 1);
                }

                PutBack(taken);
            }
        }
        catch (Exception exception)
        {
            Fail();
            onFailed(exception);
        }
    }

    // Takes what has gathered. Nobody: there is nothing left, the drain ends. Pool: the drain goes on there.
    private DrainBy Take(bool handOver, out byte[] taken, out int count)
    {
        DrainBy by = DrainBy.Caller;
        using (_gate.Hold())
        {
            (taken, count) = (_buffer, _count);
            if (count == 0)
            {
                _draining = false;
                Return(_buffer);
                Return(_spare);
                (_buffer, _spare) = ([], null);
                if (_closed)
                    _drained.TrySetResult();
                by = DrainBy.Nobody;
            }
            else if (handOver && count < InlineThreshold)
            {
                by = DrainBy.Pool;
            }
            else
            {
                (_buffer, _spare) = (_spare ?? [], null);
                (_count, _inFlight) = (0, count);
            }
        }

        if (by == DrainBy.Pool)
            StartDrain(DrainBy.Pool);
        return by;
    }

    private void PutBack(byte[] taken)
    {
        using (_gate.Hold())
        {
            _inFlight = 0;
            if (_spare is null)
                _spare = taken;
            else
                Return(taken);
            AdmitWaiting();
        }
    }

    private void AdmitWaiting()
    {
        while (!_closed && _waiting is { } waiting && waiting.TryPeek(out WaitingFrame? frame))
        {
            int size = WireProtocol.HeaderBytes + frame.Payload.Length;
            if (!frame.Appended.Task.IsCompleted && !HasRoomFor(size))
                return;
            waiting.Dequeue();
            if (!frame.Appended.TrySetResult(true))
                continue; // its sender gave up
            Span<byte> bytes = Reserve(size);
            FrameWriter.WriteHeader(bytes, frame.WireId, frame.Payload.Length);
            frame.Payload.Span.CopyTo(bytes[WireProtocol.HeaderBytes..]);
        }
    }

    private void Fail()
    {
        using (_gate.Hold())
        {
            Close();
            _failed = true;
            _draining = false;
            (_count, _inFlight) = (0, 0);
            _drained.TrySetResult();
        }
    }

    private enum DrainBy
    {
        Nobody,
        Caller,
        Pool,
    }

    private sealed class WaitingFrame(int wireId, ReadOnlyMemory<byte> payload)
    {
        public int WireId { get; } = wireId;

        public ReadOnlyMemory<byte> Payload { get; } = payload;

        public TaskCompletionSource<bool> Appended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
