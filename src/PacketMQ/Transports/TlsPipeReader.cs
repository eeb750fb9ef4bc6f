using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// Reads what TLS has decrypted, with no pipe between. What is awaited is a read of zero bytes, which ends when there is something to
/// read: so an idle connection holds no buffer, and a cancelled wait loses nothing. Unconsumed bytes never move and belong to the
/// consumer until AdvanceTo or Complete. One consumer at a time; <see cref="CancelPendingRead"/> and <see cref="Close"/> may come
/// from any thread.
/// </summary>
internal sealed class TlsPipeReader(TlsSession session, ArrayPool<byte> pool) : PipeReader
{
    /// <summary>A peer that sends as fast as we read never lets a read wait: after so many bytes the others get their turn.</summary>
    private const int FairShare = 1024 * 1024;

    private readonly ReceiveBuffer _buffer = new(pool);
    private readonly CancelSignal _cancel = new();
    private readonly Lock _gate = new();

    // Guarded by the gate: who may touch the buffer.
    private Phase _phase;
    private bool _completed;
    private bool _closed;

    // The consumer's own.
    private bool _ended;
    private int _bytesWithoutWaiting;

    // Reading: a read is running. Held: the consumer looks at its result until it calls AdvanceTo.
    private enum Phase { Idle, Reading, Held }

    /// <summary>Takes another pool; before the first read only.</summary>
    public void UsePool(ArrayPool<byte> other) => _buffer.UsePool(other);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        BeginRead();
        try
        {
            if (TryTakeBuffered(out ReadResult result))
                return new ValueTask<ReadResult>(result);
        }
        catch (IOException exception)
        {
            EndFailedRead();
            return ValueTask.FromException<ReadResult>(exception);
        }

        return ReceiveAsync(cancellationToken);
    }

    public override bool TryRead(out ReadResult result)
    {
        BeginRead();
        bool success = false;
        try
        {
            success = TryTakeBuffered(out result);
            if (!success && session.HasDecryptedBytes())
            {
                ReceiveNow();
                result = Hold();
                success = true;
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
        lock (_gate)
        {
            if (_phase != Phase.Held)
                throw new InvalidOperationException("There is no read to advance.");
            _buffer.Advance(consumed, examined);
            _phase = Phase.Idle;
            if (_completed)
                _buffer.Clear();
            else if (_closed)
                _buffer.ReturnEmptyArrays();
        }
    }

    public override void CancelPendingRead() => _cancel.Request();

    /// <summary>The consumer has let go of every slice: all buffers go back. The stream stays as it is.</summary>
    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _completed = true;
            if (_phase == Phase.Reading)
                return;
            _phase = Phase.Idle;
            _buffer.Clear();
        }
    }

    /// <summary>The connection was disposed: as <see cref="SocketPipeReader.Close"/>.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            if (_phase == Phase.Idle)
                _buffer.Clear();
        }
    }

    private void BeginRead()
    {
        lock (_gate)
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
        lock (_gate)
        {
            _phase = Phase.Idle;
            _buffer.ReturnEmptyArrays();
            if (_completed)
                _buffer.Clear();
        }
    }

    private ReadResult Hold(bool isCanceled = false)
    {
        lock (_gate)
            _phase = Phase.Held;
        return new ReadResult(_buffer.Bytes, isCanceled, _ended);
    }

    private bool TryTakeBuffered(out ReadResult result)
    {
        session.ThrowIfClosedHere();
        bool isCanceled = _cancel.TryTake();
        bool success = isCanceled || _ended || _buffer.HasUnexaminedBytes;
        result = success ? Hold(isCanceled) : default;
        return success;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReceiveAsync(CancellationToken cancellationToken)
    {
        bool success = false;
        try
        {
            if (_bytesWithoutWaiting >= FairShare)
            {
                _bytesWithoutWaiting = 0;
                await Task.Yield(); // To the end of the pool's common queue, behind whoever is ready.
            }

            using CancellationTokenRegistration registration
                = cancellationToken.UnsafeRegister(static signal => ((CancelSignal)signal!).Wake(), _cancel);
            while (true)
            {
                ValueTask<bool> arrival = session.WaitForBytesAsync(_cancel.PrepareWait());
                if (!arrival.IsCompleted)
                {
                    _bytesWithoutWaiting = 0;
                    _buffer.ReturnEmptyArrays();
                }

                bool hasArrived = await arrival.ConfigureAwait(false);
                cancellationToken.ThrowIfCancellationRequested();
                if (TryTakeBuffered(out ReadResult result))
                {
                    success = true;
                    return result;
                }

                if (hasArrived)
                {
                    ReceiveNow();
                    success = true;
                    return Hold();
                }
            }
        }
        finally
        {
            if (!success)
                EndFailedRead();
        }
    }

    private void ReceiveNow()
    {
        int count = session.ReadNow(_buffer.GetFreeMemory());
        _ended = count == 0;
        _buffer.Fill(count);
        _bytesWithoutWaiting += count;
        if (_ended)
            _buffer.ReturnEmptyArrays();
    }
}
