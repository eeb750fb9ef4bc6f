using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

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
/// The bytes that wait to go out on one connection. Any thread appends whole frames under the gate; one writer at a time takes what
/// has gathered and hands it to the transport, so frames never interleave and a burst leaves in few writes. The gate is never held
/// while writing.
/// </summary>
/// <remarks>
/// Who writes: a frame after a quiet moment is written by its sender at once. In a burst whoever reaches <see cref="SenderWritesAt"/>
/// writes one batch, from the memory that its core has just filled; what is left when the queue stands still is for the
/// <see cref="Flusher"/>, so that no sender writes for all. While the receive loop
/// hands a batch to the handlers the queue is corked for its thread, so that their replies leave together; what other threads send does
/// not wait for a handler that takes its time.
/// </remarks>
internal sealed class SendQueue(PipeWriter output, PeerOptions options, BufferAccount account, ISendQueueOwner owner)
{
    // Just below the size of an array, so that the frame that reaches it mostly fits.
    private const int SenderWritesAt = 60 * 1024;
    private const int SenderWritesAtLeast = 15 * 1024;

    // How often the flusher leaves a queue alone that still grows; and for how long, since between two visits others may use up the processor:
    // 1 ms, and for each queue that waits for a visit too about as long as writing it takes.
    private const int MaxVisits = 100;
    private const int MaxQuietMoments = 50;

    // Pieces, so that progress is visible to the send time-out; smaller ones once the transport is slow.
    private const int WriteBytes = 256 * 1024;
    private const int SlowWriteBytes = 64 * 1024;

    [ThreadStatic]
    private static long _lastWriteOfThread;

    private readonly int _quietTicks = (int)Math.Clamp(options.TimeProvider.TimestampFrequency / 50_000, 1, int.MaxValue); // 20 µs
    private readonly byte _flusher = Flusher.NextIndex();
    private SpinGate _gate; // guards the waiting frames, and all below
    private GatherBuffer _gathered = new(account);
    private WaitingFrames? _waiting; // since a frame first had to
    private TaskCompletionSource? _drained;
    private int _inFlight; // bytes that the writer has taken and not yet written
    private int _progress;
    private long _lastWrite;
    private bool _isWriting; // a writer is at work
    private bool _isListed; // the flusher will visit
    private int _senderWritesAt = SenderWritesAt;
    private int _countAtVisit;
    private int _visits;
    private int _firstVisit; // its timestamp's low half: it is compared with one soon after
    private int _corkedThread; // 0: not corked
    private bool _isClosed;

    private enum Writer
    {
        Nobody,
        Caller,
        Flusher,
    }

    /// <summary>Counts completed writes; while <see cref="IsWaitingForTransport"/> it tells progress from standstill.</summary>
    public int Progress => Volatile.Read(ref _progress);

    public bool IsWaitingForTransport => Volatile.Read(ref _inFlight) > 0;

    /// <summary>Whether frames are held back. Asked by the receive loop only, which corks.</summary>
    public bool HasCorkedFrames => _corkedThread != 0 && _gathered.Count > 0;

    public AppendResult TryAppend<TFrame>(in TFrame frame)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        int size = frame.Size;
        Writer writer;
        using (_gate.Hold())
        {
            if (_isClosed)
                return AppendResult.Closed;
            if (_waiting?.First is not null || !HasRoomFor(size))
                return AppendResult.Full;
            frame.WriteTo(_gathered.Reserve(size));
            if (HasWriter)
                return AppendResult.Accepted;
            writer = ChooseWriter();
        }

        Start(writer);
        return AppendResult.Accepted;
    }

    /// <summary>Appends frames that other connections send too; they are not copied unless others stand between.</summary>
    public AppendResult TryAppend(SharedFrames frames, int start, int size)
    {
        Writer writer;
        using (_gate.Hold())
        {
            if (_isClosed)
                return AppendResult.Closed;
            if (_waiting?.First is not null || !HasRoomFor(size))
                return AppendResult.Full;
            _gathered.Append(frames, start, size);
            if (HasWriter)
                return AppendResult.Accepted;
            writer = ChooseWriter();
        }

        Start(writer);
        return AppendResult.Accepted;
    }

    /// <summary>Appends bytes that are whole frames already, above the bound too: the handshake's and the softquit's.</summary>
    /// <param name="frames">The bytes.</param>
    /// <param name="isLast">
    /// Takes no more frames behind them, those that wait included: what is said behind a farewell is lost, and nobody shall believe that it was sent.
    /// </param>
    public void AppendControl(ReadOnlySpan<byte> frames, bool isLast = false)
    {
        Writer writer;
        using (_gate.Hold())
        {
            if (_isClosed)
                return;
            frames.CopyTo(_gathered.Reserve(frames.Length));
            if (isLast)
                RefuseFromNowOn();
            writer = ChooseWriter();
        }

        Start(writer);
    }

    /// <summary>Queues a copy of a frame behind those that wait for room already; completes once it is appended.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="cancellationToken">Gives up waiting; then the frame is not sent.</param>
    /// <returns>Whether the frame was appended; if not, the queue was closed, or is about to be because too much waits.</returns>
    public ValueTask<bool> AppendLaterAsync<TFrame>(in TFrame frame, CancellationToken cancellationToken)
        where TFrame : struct, IOutgoingFrame, allows ref struct
        => cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<bool>(cancellationToken)
            : AppendLaterAsync(Waiting.Copy(this, frame), cancellationToken);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> AppendLaterAsync(WaitingFrame frame, CancellationToken cancellationToken)
    {
        try
        {
            bool hasRoom = false;
            Writer writer = Writer.Nobody;
            try
            {
                using (_gate.Hold())
                {
                    if (_isClosed)
                        return false;
                    hasRoom = _waiting!.TryAdd(frame);
                    if (hasRoom)
                    {
                        AdmitWaiting(); // room may have come since the caller looked
                        writer = ChooseWriter();
                    }
                }
            }
            catch (Exception exception) when (hasRoom)
            {
                Fail(exception); // which turns it away
            }

            if (!hasRoom)
            {
                owner.OnTooManyWaiting();
                return false;
            }

            Start(writer);
            using (cancellationToken.UnsafeRegister(static (state, token) => ((WaitingFrame)state!).Queue.GiveUp((WaitingFrame)state, token), frame))
                return await frame.Appended.ConfigureAwait(false);
        }
        finally
        {
            _waiting!.Recycle(frame); // after the registration, which waits for a callback that runs
        }
    }

    /// <summary>Holds the calling thread's frames back until <see cref="Uncork"/>, many bytes excepted. Called by the receive loop only.</summary>
    public void Cork()
    {
        using (_gate.Hold())
            _corkedThread = Environment.CurrentManagedThreadId;
    }

    public void Uncork() => LiftCork(Writer.Caller);

    /// <summary>Called by the heartbeat: the loop's thread may be blocked by a handler, and nobody knows for how long.</summary>
    public void UncorkForBlockedLoop() => LiftCork(Writer.Flusher);

    private void LiftCork(Writer by)
    {
        Writer writer = Writer.Nobody;
        using (_gate.Hold())
        {
            _corkedThread = 0;
            if (!_isWriting && _gathered.Count > 0)
                writer = Chosen(by);
        }

        Start(writer);
    }

    /// <summary>Takes no more frames; completes when all that were appended are written, or the transport has failed.</summary>
    public Task CloseAsync()
    {
        Writer writer = Writer.Nobody;
        Task drained;
        using (_gate.Hold())
        {
            RefuseFromNowOn();
            _corkedThread = 0;
            _drained ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            drained = _drained.Task;
            if (!_isWriting && _gathered.Count > 0)
                writer = Chosen(Writer.Caller);
            else if (!_isWriting)
                _drained.TrySetResult();
        }

        Start(writer);
        return drained;
    }

    /// <summary>Takes no more frames and forgets those that wait: the transport has ended.</summary>
    public void Abandon()
    {
        using (_gate.Hold())
        {
            RefuseFromNowOn();
            _gathered.Release();
            _drained?.TrySetResult();
        }
    }

    // Writes what has gathered, one batch. Called by whoever was chosen, and never throws.
    [SuppressMessage("Usage", "VSTHRD002:Avoid problematic synchronous waits", Justification = "The write has completed; a pooled task source wants to be asked.")]
    private void WriteBatch()
    {
        GatheredBatch batch; // empty if the queue was abandoned meanwhile
        using (_gate.Hold())
        {
            batch = _gathered.Take();
            _inFlight = batch.Count;
        }

        int written = 0;
        try
        {
            while (written < batch.Count)
            {
                ReadOnlyMemory<byte> piece = batch.Piece(written, WriteBytes);
                ValueTask<FlushResult> write = output.WriteAsync(piece);
                written += piece.Length;
                if (!write.IsCompletedSuccessfully)
                {
                    _ = WriteRestAsync(write, batch, written); // owned by this queue: it never throws, CloseAsync waits for it
                    return;
                }

                write.GetAwaiter().GetResult();
                Volatile.Write(ref _progress, _progress + 1);
            }
        }
        catch (Exception exception)
        {
            Fail(exception);
            return;
        }

        EndBatch(batch);
    }

    private WaitingFrames Waiting
    {
        get
        {
            if (_waiting is null)
                Interlocked.CompareExchange(ref _waiting, new WaitingFrames(options.MaxWaitingSendBytes, options.MaxWaitingSends, account), null);
            return _waiting;
        }
    }

    private int Pending => _gathered.Count + _inFlight;

    // Not while a frame waits for room: the loop's own thread may be blocked until it gets some.
    private bool IsHeldBack
        => _corkedThread != 0 && _corkedThread == Environment.CurrentManagedThreadId && _gathered.Count < _senderWritesAt && _waiting?.First is null;

    // The common case of a burst, told by one look: whoever writes or visits next sees to what was appended.
    private bool HasWriter => _isWriting || (_isListed && _gathered.Count < _senderWritesAt);

    private bool HasRoomFor(int size) => Pending == 0 || Pending + size <= options.MaxPendingSendBytes;

    // Called under the gate when there may be something to write.
    private Writer ChooseWriter()
    {
        if (HasWriter || _gathered.Count == 0 || IsHeldBack)
            return Writer.Nobody;
        if (_gathered.Count >= _senderWritesAt)
            return Chosen(Writer.Caller);
        // Quietness of the connection alone is not enough: a loop over many connections would make each of them look quiet.
        long now = options.TimeProvider.GetTimestamp();
        bool isQuiet = now - _lastWrite > _quietTicks && now - _lastWriteOfThread > _quietTicks;
        _lastWrite = _lastWriteOfThread = now;
        return Chosen(isQuiet ? Writer.Caller : Writer.Flusher);
    }

    private Writer Chosen(Writer writer)
    {
        if (writer == Writer.Caller)
        {
            _isWriting = true;
        }
        else if (_isListed)
        {
            return Writer.Nobody;
        }
        else
        {
            _isListed = true;
            _senderWritesAt = Math.Clamp(Flusher.At(_flusher).BytesEach, SenderWritesAtLeast, SenderWritesAt);
            _countAtVisit = _gathered.Count;
            _visits = 0;
        }

        return writer;
    }

    /// <summary>
    /// Called by the flusher. Writes what has gathered, one batch; but leaves a queue alone, and asks for another visit, whose senders
    /// are still at it: they write themselves once it is worth it, and then the bytes need not change the core.
    /// </summary>
    public bool WriteOrComeAgain()
    {
        using (_gate.Hold())
        {
            bool isIdle = _isWriting || _gathered.Count == 0;
            if (!isIdle && _gathered.Count != _countAtVisit && ++_visits < MaxVisits && !IsOverdue())
            {
                _countAtVisit = _gathered.Count;
                return true;
            }

            _isListed = false;
            _senderWritesAt = SenderWritesAt;
            if (isIdle)
                return false;
            _isWriting = true;
        }

        WriteBatch();
        return false;
    }

    // Asked by the flusher only, so that listing a queue, which senders do, need not ask for the time.
    private bool IsOverdue()
    {
        int now = (int)options.TimeProvider.GetTimestamp();
        if (_visits == 1)
            _firstVisit = now;
        return (uint)(now - _firstVisit) > (long)_quietTicks * (MaxQuietMoments + Flusher.At(_flusher).Listed);
    }

    private void Start(Writer writer)
    {
        if (writer == Writer.Caller)
        {
            WriteBatch();
            _lastWriteOfThread = options.TimeProvider.GetTimestamp(); // a write takes longer than a quiet moment: counted from its end
        }
        else if (writer == Writer.Flusher)
            List();
    }

    // Never throws. A queue that could not be listed would wait for ever.
    private void List()
    {
        try
        {
            Flusher.At(_flusher).Add(this);
        }
        catch (Exception exception)
        {
            Fail(exception);
        }
    }

    private async Task WriteRestAsync(ValueTask<FlushResult> write, GatheredBatch batch, int written)
    {
        try
        {
            await write.ConfigureAwait(false);
            Volatile.Write(ref _progress, _progress + 1);
            while (written < batch.Count)
            {
                ReadOnlyMemory<byte> piece = batch.Piece(written, SlowWriteBytes);
                await output.WriteAsync(piece).ConfigureAwait(false);
                Volatile.Write(ref _progress, _progress + 1);
                written += piece.Length;
            }
        }
        catch (Exception exception)
        {
            Fail(exception);
            return;
        }

        EndBatch(batch);
    }

    // What gathered meanwhile is for the flusher, even if a sender wrote this batch: nobody writes for all the others. Never throws.
    private void EndBatch(in GatheredBatch batch)
    {
        Writer writer = Writer.Nobody;
        try
        {
            using (_gate.Hold())
            {
                _inFlight = 0;
                _isWriting = false;
                _gathered.GiveBack(batch);
                AdmitWaiting();
                if (_gathered.Count > 0)
                {
                    writer = Chosen(Writer.Flusher);
                }
                else
                {
                    _gathered.Release();
                    _drained?.TrySetResult();
                }
            }
        }
        catch (Exception exception)
        {
            Fail(exception);
            return;
        }

        Start(writer);
    }

    // If there is no memory it throws, and the frame still waits: whoever called fails the queue, which turns it away.
    private void AdmitWaiting()
    {
        while (!_isClosed && _waiting?.First is { } frame)
        {
            if (!HasRoomFor(frame.Bytes.Length))
                return;
            frame.Bytes.CopyTo(_gathered.Reserve(frame.Bytes.Length));
            _waiting.TryRemove(frame);
            frame.SetAppended(true);
        }
    }

    // Leaves nothing of the frame behind, and lets those in that it stood before.
    private void GiveUp(WaitingFrame frame, CancellationToken cancellationToken)
    {
        Writer writer = Writer.Nobody;
        try
        {
            using (_gate.Hold())
            {
                if (!_waiting!.TryRemove(frame))
                    return; // it was let in, or turned away
                AdmitWaiting();
                writer = ChooseWriter();
            }
        }
        catch (Exception exception)
        {
            Fail(exception);
        }

        frame.SetCanceled(cancellationToken);
        Start(writer);
    }

    private void RefuseFromNowOn()
    {
        _isClosed = true;
        while (_waiting?.First is { } frame)
        {
            _waiting.TryRemove(frame);
            frame.SetAppended(false);
        }
    }

    /// <summary>Ends the connection: what was accepted can't go out, since the transport failed, or there was no memory. Never throws.</summary>
    public void Fail(Exception exception)
    {
        // The array that was being written is left to the garbage collector: a transport that failed may still hold it.
        owner.OnSendFailed(exception); // first: whoever is turned away asks for the reason
        try
        {
            using (_gate.Hold())
            {
                _isWriting = false;
                _inFlight = 0;
                RefuseFromNowOn();
                _gathered.Release();
                _drained?.TrySetResult();
            }
        }
        catch (OutOfMemoryException)
        {
            // The connection's end abandons the queue, and with it whatever is left.
        }
    }
}
