using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// What the readers of sockets have in common. Bytes are received only when they are there; what is awaited is their arrival, which needs
/// no buffer: so an idle connection holds none, and a cancelled wait loses nothing. Unconsumed bytes never move and belong to the
/// consumer until AdvanceTo or Complete. One consumer at a time; <see cref="CancelPendingRead"/> and <see cref="Close"/> may come from
/// any thread. A consumer that had to wait goes on inline on the thread that the socket's event was dispatched to: it must not block there.
/// </summary>
internal abstract class ReceivingPipeReader(ArrayPool<byte> pool) : PipeReader
{
    /// <summary>The result of a wait that was woken.</summary>
    protected internal const int Woken = -1;

    private readonly CancelSignal _cancel = new();
    // Guarded by a lock on the buffer: who may touch it. (A lock of its own would cost every idle connection 40 bytes.)
    private Phase _phase;
    private bool _completed;
    private bool _closed;

    // The consumer's own.
    private bool _ended;

    // Reading: a read is running. Held: the consumer looks at its result until it calls AdvanceTo.
    private enum Phase { Idle, Reading, Held }

    protected ReceiveBuffer Buffer { get; } = new(pool);

    /// <summary>Takes another pool; before the first read only.</summary>
    public void UsePool(ArrayPool<byte> other) => Buffer.UsePool(other);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        BeginRead();
        try
        {
            if (TryTakeBuffered(out ReadResult result)
                || (TryReceiveSoon(_cancel, out int count) && TryTake(count, out result)))
                return new ValueTask<ReadResult>(result);
        }
        catch (IOException exception)
        {
            EndFailedRead();
            return ValueTask.FromException<ReadResult>(exception);
        }

        return WaitAndReceiveAsync(cancellationToken);
    }

    public override bool TryRead(out ReadResult result)
    {
        BeginRead();
        bool success = false;
        try
        {
            return success = TryTakeBuffered(out result) || (TryReceive(hasArrived: false, out int count) && TryTake(count, out result));
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
        lock (Buffer)
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

    public override void CancelPendingRead() => _cancel.Request();

    /// <summary>The consumer has let go of every slice: all buffers go back. The stream stays as it is.</summary>
    public override void Complete(Exception? exception = null)
    {
        lock (Buffer)
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
    public void Close()
    {
        lock (Buffer)
        {
            _closed = true;
            if (_phase == Phase.Idle)
                Buffer.Clear();
        }
    }

    /// <summary>Receives into the free space of <see cref="Buffer"/> what is there.</summary>
    /// <param name="hasArrived">Whether <see cref="WaitForBytesAsync"/> has just said that there is something.</param>
    /// <param name="count">How many bytes; 0 at the end.</param>
    /// <returns>Whether there was something.</returns>
    protected abstract bool TryReceive(bool hasArrived, out int count);

    /// <summary>As <see cref="TryReceive"/>, where a read begins: it may know that asking is useless, or spin until there is something.</summary>
    protected abstract bool TryReceiveSoon(CancelSignal cancel, out int count);

    /// <summary>Waits until there is something to receive. <see cref="Woken"/>, or an OperationCanceledException: it was woken.</summary>
    protected abstract ValueTask<int> WaitForBytesAsync(CancellationToken wake);

    /// <summary>What a failed wait comes to.</summary>
    protected virtual Exception Explain(Exception exception) => exception;

    /// <summary>Throws why, if the connection was closed on this side.</summary>
    protected abstract void ThrowIfClosedHere();

    private void BeginRead()
    {
        lock (Buffer)
        {
            if (_completed)
                throw new InvalidOperationException("The reader was completed.");
            if (_phase != Phase.Idle)
                throw new InvalidOperationException("The last read is still running or was not advanced.");
            _phase = Phase.Reading;
        }
    }

    private void EndFailedRead()
    {
        lock (Buffer)
        {
            _phase = Phase.Idle;
            Buffer.ReturnEmptyArrays();
            if (_completed)
                Buffer.Clear();
        }
    }

    private ReadResult Hold(bool isCanceled = false)
    {
        lock (Buffer)
            _phase = Phase.Held;
        return new ReadResult(Buffer.Bytes, isCanceled, _ended);
    }

    private bool TryTakeBuffered(out ReadResult result)
    {
        ThrowIfClosedHere();
        bool isCanceled = _cancel.TryTake();
        bool success = isCanceled || _ended || Buffer.HasUnexaminedBytes;
        result = success ? Hold(isCanceled) : default;
        return success;
    }

    private bool TryTake(int count, out ReadResult result)
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

        result = Hold();
        return true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> WaitAndReceiveAsync(CancellationToken cancellationToken)
    {
        bool success = false;
        try
        {
            using CancellationTokenRegistration registration
                = cancellationToken.UnsafeRegister(static signal => ((CancelSignal)signal!).Wake(), _cancel);
            ReadResult result;
            bool hasArrived;
            do
            {
                CancellationToken wake = _cancel.PrepareWait();
                cancellationToken.ThrowIfCancellationRequested(); // if that came before there was anything to wake
                try
                {
                    ValueTask<int> arrival = WaitForBytesAsync(wake);
                    if (!arrival.IsCompleted)
                        Buffer.ReturnEmptyArrays();
                    hasArrived = await arrival.ConfigureAwait(false) != Woken;
                }
                catch (OperationCanceledException)
                {
                    hasArrived = false;
                }
                catch (Exception exception)
                {
                    throw Explain(exception);
                }

                cancellationToken.ThrowIfCancellationRequested();
            }
            while (!TryTakeBuffered(out result) && !(hasArrived && TryReceive(hasArrived, out int count) && TryTake(count, out result)));
            success = true;
            return result;
        }
        finally
        {
            if (!success)
                EndFailedRead();
        }
    }
}
