using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// Writes to a non-blocking stream socket, with no pipe between. <see cref="WriteAsync"/> sends from the caller's memory, which
/// it must leave alone until the write has ended; a write that the kernel takes at once ends synchronously. A cancelled write or
/// flush loses nothing and sends nothing twice: what was not sent yet is kept, and goes out ahead of the next write or flush.
/// One writer at a time is the caller's duty; <see cref="CancelPendingFlush"/> may come from any thread. A writer that had to
/// wait goes on inline on the thread that the socket's event was dispatched to: it must not block there.
/// </summary>
internal sealed class SocketPipeWriter(Socket socket, SocketFault fault, ArrayPool<byte> pool) : PipeWriter
{
    private const int SmallestArray = 4 * 1024;

    private ArrayPool<byte> _pool = pool;
    private CancelSignal _cancel;

    // Bytes that were written but not sent, from the pool; null while there are none and no memory is lent out.
    private byte[]? _kept;
    private int _start;
    private int _end;
    private long _takenBytes;
    private bool _completed;
    // Some of what was written is not sent: since a write began to wait, until one gets through.
    private volatile bool _isBehind;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _end - _start;

    /// <summary>How many bytes the kernel has taken. From any thread.</summary>
    public long TakenBytes => Volatile.Read(ref _takenBytes);

    /// <summary>Takes another pool, while no array is held.</summary>
    public void UsePool(ArrayPool<byte> other) => _pool = other;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureFree(sizeHint);
        return _kept.AsMemory(_end);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureFree(sizeHint);
        return _kept.AsSpan(_end);
    }

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, (_kept?.Length ?? 0) - _end);
        _end += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        => WriteAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        ThrowIfCompleted();
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        try
        {
            _isBehind = !TrySend(ref source);
            if (!_isBehind)
                return new ValueTask<FlushResult>(new FlushResult(isCanceled: _cancel.TryTake(), isCompleted: false));
        }
        catch (IOException exception)
        {
            return ValueTask.FromException<FlushResult>(exception);
        }

        return WaitAndSendAsync(source, cancellationToken);
    }

    public override void CancelPendingFlush() => _cancel.Request();

    /// <summary>
    /// Ends this direction with a FIN. Bytes that were not flushed are dropped (<see cref="CompleteAsync"/> sends them), and
    /// <paramref name="exception"/> does not change the farewell: to cut the stream, abort the connection.
    /// </summary>
    public override void Complete(Exception? exception = null)
    {
        if (_completed)
            return;
        _completed = true;
        ReturnKept();
        Shutdown();
    }

    public override async ValueTask CompleteAsync(Exception? exception = null)
    {
        try
        {
            if (!_completed && UnflushedBytes > 0)
                await FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            Complete(exception);
        }
    }

    /// <summary>
    /// The connection is being disposed, perhaps by another thread than the writer's, whose memory it leaves alone. Without the
    /// FIN the runtime would cut a socket that somebody still waits on; with a write half done, being cut is the truth.
    /// </summary>
    public void Close()
    {
        if (!_isBehind)
            Shutdown();
    }

    private void Shutdown()
    {
        fault.EndWriting();
        try
        {
            socket.Shutdown(SocketShutdown.Send);
        }
        catch (Exception failure) when (failure is SocketException or ObjectDisposedException)
        {
            // The connection is gone already: there is nothing left to end.
        }
    }

    private void ThrowIfCompleted()
    {
        if (_completed)
            throw new InvalidOperationException("The writer was completed.");
    }

    /// <summary>Sends what was kept, then <paramref name="source"/>, as far as the kernel takes it; true if it took everything.</summary>
    private bool TrySend(ref ReadOnlyMemory<byte> source)
    {
        if (_kept is not null)
        {
            _start += SendNow(_kept.AsSpan(_start.._end));
            if (_start < _end)
                return false;
            ReturnKept();
        }

        if (!source.IsEmpty)
            source = source[SendNow(source.Span)..];
        return source.IsEmpty;
    }

    private int SendNow(ReadOnlySpan<byte> bytes)
    {
        int sent = 0;
        try
        {
            while (sent < bytes.Length)
            {
                sent += socket.Send(bytes[sent..], SocketFlags.None, out SocketError error);
                if (error == SocketError.WouldBlock)
                    break;
                if (error != SocketError.Success)
                    throw fault.Report(error);
            }
        }
        catch (ObjectDisposedException)
        {
            throw fault.ToException();
        }

        Volatile.Write(ref _takenBytes, _takenBytes + sent);
        return sent;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlushResult> WaitAndSendAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration
            = cancellationToken.UnsafeRegister(static writer => ((SocketPipeWriter)writer!)._cancel.Wake(), this);
        do
        {
            bool isCanceled = _cancel.TryTake();
            if (isCanceled || cancellationToken.IsCancellationRequested)
            {
                Keep(source.Span);
                cancellationToken.ThrowIfCancellationRequested();
                return new FlushResult(isCanceled, isCompleted: false);
            }

            if (await TrySendOneAsync(_kept is null ? source : _kept.AsMemory(_start), _cancel.PrepareWait()).ConfigureAwait(false))
            {
                if (_kept is null)
                    source = source[1..];
                else
                    _start++;
            }
        }
        while (!TrySend(ref source));
        _isBehind = false;
        return default;
    }

    /// <summary>
    /// Waits until the kernel takes bytes again, by way of the next one: a byte is sent or it is not, so that a cancelled wait
    /// leaves no doubt how far the stream has come.
    /// </summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> TrySendOneAsync(ReadOnlyMemory<byte> bytes, CancellationToken wake)
    {
        try
        {
            int sent = await socket.SendAsync(bytes[..1], SocketFlags.None, wake).ConfigureAwait(false);
            Volatile.Write(ref _takenBytes, _takenBytes + sent);
            return sent == 1;
        }
        catch (OperationCanceledException)
        {
            return false;
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

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return;
        EnsureFree(bytes.Length);
        bytes.CopyTo(_kept.AsSpan(_end));
        _end += bytes.Length;
    }

    private void EnsureFree(int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ThrowIfCompleted();
        size = Math.Max(size, 1);
        if (_kept is not null && _kept.Length - _end >= size)
            return;
        int count = _end - _start;
        byte[] larger = _pool.Rent(Math.Max(SmallestArray, Math.Max(count * 2, checked(count + size))));
        _kept?.AsSpan(_start, count).CopyTo(larger);
        ReturnKept();
        (_kept, _start, _end) = (larger, 0, count);
    }

    private void ReturnKept()
    {
        if (_kept is { } array)
            _pool.Return(array);
        (_kept, _start, _end) = (null, 0, 0);
    }
}
