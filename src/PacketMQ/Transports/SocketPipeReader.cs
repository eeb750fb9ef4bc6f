using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// Reads a non-blocking stream socket, with no pipe between. Bytes are only ever received synchronously; what is awaited is a
/// receive of zero bytes, which says that there is something to receive and needs no buffer: so an idle connection holds none,
/// and a cancelled wait loses nothing. Unconsumed bytes never move and belong to the consumer until AdvanceTo or Complete.
/// One consumer at a time; <see cref="CancelPendingRead"/> and <see cref="Close"/> may come from any thread. A consumer that had
/// to wait goes on inline on the thread that the socket's event was dispatched to: it must not block there.
/// </summary>
internal sealed class SocketPipeReader(Socket socket, SocketFault fault, ArrayPool<byte> pool) : PipeReader
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

    // The consumer's own. Without expectation the wait is tried first: it looks at the socket too, and needs no buffer for it.
    private bool _ended;
    private bool _expectsBytes = true;
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
            if (TryTakeBuffered(out ReadResult result)
                || (_expectsBytes && _bytesWithoutWaiting < FairShare && TryReceive(out result)))
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
            return success = TryTakeBuffered(out result) || TryReceive(out result);
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

    /// <summary>The consumer has let go of every slice: all buffers go back. The socket stays as it is.</summary>
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

    /// <summary>
    /// The connection was disposed. Between two reads all buffers go back; a consumer that is in the middle of one keeps what it
    /// may be looking at, and gives it back with AdvanceTo or Complete.
    /// </summary>
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
        if (fault.IsClosedHere)
            throw fault.ToException();
        bool isCanceled = _cancel.TryTake();
        bool success = isCanceled || _ended || _buffer.HasUnexaminedBytes;
        result = success ? Hold(isCanceled) : default;
        return success;
    }

    private bool TryReceive(out ReadResult result)
    {
        int count;
        SocketError error;
        try
        {
            count = socket.Receive(_buffer.GetFreeSpace(), SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            throw fault.ToException();
        }

        result = default;
        _expectsBytes = error != SocketError.WouldBlock;
        if (!_expectsBytes)
            return false;
        if (error != SocketError.Success)
            throw fault.Report(error);
        if (count > 0)
        {
            _buffer.Fill(count);
            _bytesWithoutWaiting += count;
        }
        else
        {
            if (fault.IsReset || fault.IsClosedHere)
                throw fault.ToException();
            _ended = true;
            _buffer.ReturnEmptyArrays();
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
            if (_bytesWithoutWaiting >= FairShare)
            {
                _bytesWithoutWaiting = 0;
                await Task.Yield(); // To the end of the pool's common queue, behind whoever is ready.
            }

            using CancellationTokenRegistration registration
                = cancellationToken.UnsafeRegister(static signal => ((CancelSignal)signal!).Wake(), _cancel);
            ReadResult result;
            do
            {
                _buffer.ReturnEmptyArrays();
                await WaitAsync(_cancel.PrepareWait(), cancellationToken).ConfigureAwait(false);
            }
            while (!TryTakeBuffered(out result) && !TryReceive(out result));
            success = true;
            return result;
        }
        finally
        {
            if (!success)
                EndFailedRead();
        }
    }

    /// <summary>Until there is something to receive, or the wait was interrupted.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WaitAsync(CancellationToken wake, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            ValueTask<int> arrival = socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, wake);
            if (!arrival.IsCompleted)
                _bytesWithoutWaiting = 0;
            await arrival.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (SocketException exception)
        {
            throw fault.Report(exception);
        }
        catch (ObjectDisposedException)
        {
            throw fault.ToException();
        }
    }
}
