using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;
using System.Threading.Tasks.Sources;

namespace PacketMQ.Transports;

/// <summary>
/// What the readers of sockets have in common. Bytes are received only when they are there; what is awaited is their arrival, which needs
/// no buffer: so an idle connection holds none, and a cancelled read loses nothing. Unconsumed bytes never move and
/// belong to the consumer until AdvanceTo or Complete. One consumer at a time; <see cref="CancelPendingRead"/> and <see cref="Close"/> may
/// come from any thread. A consumer that had to wait goes on inline on the thread that the socket's event was dispatched to, where it must
/// not block; never on that of whoever cancels.
/// </summary>
internal abstract class ReceivingPipeReader(ArrayPool<byte> pool) : PipeReader, IValueTaskSource<ReadResult>
{
    // Of the read that waits. Its value says nothing: the result is made when the consumer asks for it.
    private ManualResetValueTaskSourceCore<bool> _wait;

    private ReceiveBuffer _buffer = new(pool);

    // Guarded by a lock on this reader: who may touch the buffer. (A lock of its own would cost every idle connection 40 bytes.)
    private Phase _phase;
    private bool _isWaiting; // whoever sets it to false has the read, and the buffer with it: he ends the read or waits again
    private bool _isArrivalAwaited;
    private bool _isCancelRequested;
    private Exception? _interruption; // why the read that waits is to fail
    private bool _completed;
    private bool _closed;

    // The consumer's own.
    private bool _ended;

    // Reading: a read is running. Held: the consumer looks at its result until it calls AdvanceTo.
    private enum Phase : byte { Idle, Reading, Held }

    /// <summary>Whether the running read, or else the next one, is to end at once.</summary>
    public bool IsCancelRequested => Volatile.Read(ref _isCancelRequested);

    protected ref ReceiveBuffer Buffer => ref _buffer;

    /// <summary>Whether <see cref="BeginWaitForArrival"/> was called and <see cref="OnArrival"/> not yet.</summary>
    protected bool IsArrivalAwaited => Volatile.Read(ref _isArrivalAwaited);

    /// <summary>Takes another pool; before the first read only.</summary>
    public void UsePool(ArrayPool<byte> other) => Buffer.UsePool(other);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        BeginRead();
        try
        {
            if (TryTakeBuffered(out ReadResult result))
                return new ValueTask<ReadResult>(result);
            if (TryReceiveSoon(out int count))
            {
                Take(count);
                return new ValueTask<ReadResult>(Hold());
            }
        }
        catch (IOException exception)
        {
            EndFailedRead();
            return ValueTask.FromException<ReadResult>(exception);
        }

        Buffer.ReturnEmptyArrays();
        _wait.Reset();
        _wait.RunContinuationsAsynchronously = false;
        var reading = new ValueTask<ReadResult>(this, _wait.Version);
        AwaitArrival();
        return cancellationToken.CanBeCanceled ? ReadWithTokenAsync(reading, cancellationToken) : reading;
    }

    public override bool TryRead(out ReadResult result)
    {
        BeginRead();
        bool success = false;
        try
        {
            success = TryTakeBuffered(out result);
            if (!success && TryReceive(out int count))
            {
                success = true;
                Take(count);
                result = Hold();
            }

            return success;
        }
        finally
        {
            if (!success)
                EndFailedRead();
        }
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        lock (this)
        {
            if (_phase != Phase.Held)
                throw new InvalidOperationException("There is no read to advance.");
            Buffer.Advance(consumed, examined);
            _phase = Phase.Idle;
            if (_completed)
                Buffer.Clear();
            else if (_closed)
                Buffer.ReturnEmptyArrays();
        }
    }

    public override void CancelPendingRead() => Interrupt(failure: null);

    /// <summary>The consumer has let go of every slice: all buffers go back. The stream stays as it is.</summary>
    public override void Complete(Exception? exception = null)
    {
        lock (this)
        {
            _completed = true;
            if (_phase == Phase.Reading)
                return;
            _phase = Phase.Idle;
            Buffer.Clear();
        }
    }

    /// <summary>
    /// The connection was disposed. Between two reads all buffers go back; a consumer that is in the middle of one keeps what it
    /// may be looking at, and gives it back with AdvanceTo or Complete.
    /// </summary>
    public virtual void Close()
    {
        lock (this)
        {
            _closed = true;
            if (_phase == Phase.Idle)
                Buffer.Clear();
        }
    }

    /// <summary>Receives into the free space of <see cref="Buffer"/> what is there.</summary>
    /// <param name="count">How many bytes; 0 at the end.</param>
    /// <returns>Whether there was something.</returns>
    protected abstract bool TryReceive(out int count);

    /// <summary>As <see cref="TryReceive"/>, where a read begins: it may know that asking is useless, or spin until there is something.</summary>
    protected abstract bool TryReceiveSoon(out int count);

    /// <summary>As <see cref="TryReceive"/>, when something has arrived.</summary>
    protected virtual bool TryReceiveArrived(out int count) => TryReceive(out count);

    /// <summary>Waits until there is something to receive; then calls <see cref="OnArrival"/>, which may be at once.</summary>
    protected abstract void BeginWaitForArrival();

    /// <summary>
    /// Whether <see cref="WakeArrival"/> ends the wait of a read that is interrupted, and with it the read. Otherwise the read ends at once, and
    /// leaves the wait to the next one.
    /// </summary>
    protected virtual bool EndsWaits => false;

    /// <summary>Sees to it that <see cref="OnArrival"/> is called soon.</summary>
    protected virtual void WakeArrival()
    {
    }

    /// <summary>What a failed wait comes to.</summary>
    protected virtual Exception Explain(Exception exception) => exception;

    /// <summary>Throws why, if the connection was closed on this side.</summary>
    protected abstract void ThrowIfClosedHere();

    /// <summary>The wait is over. If its read was cancelled, the next one finds what has come, or is told of the failure when it asks.</summary>
    /// <param name="failure">Why it failed, if it did.</param>
    /// <param name="isWoken">Nothing has come: it was interrupted.</param>
    protected void OnArrival(Exception? failure = null, bool isWoken = false)
    {
        lock (this)
        {
            _isArrivalAwaited = false;
            if (!_isWaiting)
                return;
            _isWaiting = false;
            failure ??= _interruption;
        }

        try
        {
            if (failure is null && !isWoken && TryReceiveArrived(out int count))
            {
                Take(count);
            }
            else if (failure is null)
            {
                Buffer.ReturnEmptyArrays();
                AwaitArrival(); // or ends, if it was interrupted; else what came has been taken by a read before this one
                return;
            }
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        EndWait(failure);
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        try
        {
            _wait.GetResult(token);
            return TryTakeBuffered(out ReadResult result) ? result : Hold();
        }
        catch
        {
            EndFailedRead();
            throw;
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _wait.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _wait.OnCompleted(continuation, state, token, flags);

    // Called by whoever has the read, which somebody else may end from here on.
    private void AwaitArrival()
    {
        bool isCanceled, isFirst;
        Exception? interruption;
        lock (this)
        {
            interruption = _interruption;
            isCanceled = _isCancelRequested || interruption is not null;
            isFirst = !isCanceled && !_isArrivalAwaited;
            _isWaiting = !isCanceled;
            _isArrivalAwaited |= isFirst;
        }

        if (isCanceled)
            EndWait(interruption);
        if (!isFirst)
            return;
        try
        {
            BeginWaitForArrival();
        }
        catch (Exception exception)
        {
            OnArrival(Explain(exception));
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReadWithTokenAsync(ValueTask<ReadResult> reading, CancellationToken cancellationToken)
    {
        using (cancellationToken.UnsafeRegister(
            static (reader, token) => ((ReceivingPipeReader)reader!).Interrupt(new OperationCanceledException(token)), this))
            return await reading.ConfigureAwait(false);
    }

    // Ends the read that waits, if one does; a failure of null is a request that stays for the next one otherwise.
    private void Interrupt(Exception? failure)
    {
        lock (this)
        {
            if (failure is null)
                Volatile.Write(ref _isCancelRequested, true);
            else
                _interruption = failure;
            if (!_isWaiting)
                return;
            _isWaiting = EndsWaits;
        }

        if (EndsWaits)
        {
            WakeArrival();
            return;
        }

        _wait.RunContinuationsAsynchronously = true;
        EndWait(failure);
    }

    private void EndWait(Exception? failure)
    {
        if (failure is null)
            _wait.SetResult(true);
        else
            _wait.SetException(failure);
    }

    private void BeginRead()
    {
        lock (this)
        {
            if (_completed)
                throw new InvalidOperationException("The reader was completed.");
            if (_phase != Phase.Idle)
                throw new InvalidOperationException("The last read is still running or was not advanced.");
            _phase = Phase.Reading;
            _interruption = null;
        }
    }

    private void EndFailedRead()
    {
        lock (this)
        {
            _phase = Phase.Idle;
            Buffer.ReturnEmptyArrays();
            if (_completed)
                Buffer.Clear();
        }
    }

    private ReadResult Hold(bool isCanceled = false)
    {
        lock (this)
            _phase = Phase.Held;
        return new ReadResult(Buffer.Bytes, isCanceled, _ended);
    }

    private bool TryTakeBuffered(out ReadResult result)
    {
        ThrowIfClosedHere();
        bool isCanceled = IsCancelRequested && Interlocked.Exchange(ref _isCancelRequested, false);
        bool success = isCanceled || _ended || Buffer.HasUnexaminedBytes;
        result = success ? Hold(isCanceled) : default;
        return success;
    }

    private void Take(int count)
    {
        if (count > 0)
        {
            Buffer.Fill(count);
        }
        else
        {
            _ended = true;
            Buffer.ReturnEmptyArrays();
        }
    }
}
