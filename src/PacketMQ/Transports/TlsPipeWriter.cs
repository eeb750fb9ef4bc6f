using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// Encrypts from the caller's memory and sends, with no pipe between; a write that the kernel takes at once ends synchronously. A cancelled
/// write or flush loses nothing: its records are whole, and the socket's writer sends them ahead of the next ones. One writer at a time is
/// the caller's duty; <see cref="CancelPendingFlush"/> and <see cref="Close"/> may come from any thread.
/// </summary>
internal sealed class TlsPipeWriter(TlsSession session, PipeWriter socketWriter, ArrayPool<byte> pool) : PipeWriter
{
    private const int SmallestArray = 4 * 1024;

    // Bytes that were advanced over and not flushed, from the pool.
    private byte[]? _kept;
    private int _count;
    private bool _completed;
    private int _isBusy; // somebody writes records

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes => _count + socketWriter.UnflushedBytes;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        EnsureFree(sizeHint);
        return _kept.AsMemory(_count);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        EnsureFree(sizeHint);
        return _kept.AsSpan(_count);
    }

    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes, (_kept?.Length ?? 0) - _count);
        _count += bytes;
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        => WriteAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        ThrowIfCompleted();
        return cancellationToken.IsCancellationRequested
            ? ValueTask.FromCanceled<FlushResult>(cancellationToken)
            : SendAsync(source, cancellationToken);
    }

    public override void CancelPendingFlush() => socketWriter.CancelPendingFlush();

    /// <summary>
    /// Ends this direction with a close_notify and a FIN. Bytes that were not flushed are dropped (<see cref="CompleteAsync"/> sends them),
    /// and <paramref name="exception"/> does not change the farewell: to cut the stream, abort the connection.
    /// </summary>
    public override void Complete(Exception? exception = null) => _ = EndAsync(); // it never fails; a disposal cuts it short

    public override async ValueTask CompleteAsync(Exception? exception = null)
    {
        try
        {
            if (!_completed && UnflushedBytes > 0)
                await FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            await EndAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The connection is being disposed: says close_notify unless a write is half done, and does not wait for it.</summary>
    public void Close()
    {
        if (!Volatile.Read(ref _completed) && Interlocked.Exchange(ref _isBusy, 1) == 0)
            _ = session.EndWritingAsync(); // it never fails; what the kernel does not take now is lost with the socket
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlushResult> SendAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _isBusy, 1) != 0)
        {
            session.ThrowIfClosedHere();
            throw new IOException("The connection is being disposed.");
        }

        try
        {
            if (_count > 0)
            {
                await session.WriteAsync(_kept.AsMemory(0, _count), cancellationToken).ConfigureAwait(false);
                ReturnKept();
            }

            if (!source.IsEmpty)
                await session.WriteAsync(source, cancellationToken).ConfigureAwait(false);
            bool isCanceled = session.Stream.TakeCancellation();
            cancellationToken.ThrowIfCancellationRequested();
            if (isCanceled)
                return new FlushResult(isCanceled: true, isCompleted: false);
            // Only of a cancelled write something is left, or a cancellation came meanwhile.
            return source.IsEmpty ? await socketWriter.FlushAsync(cancellationToken).ConfigureAwait(false) : default;
        }
        finally
        {
            Volatile.Write(ref _isBusy, 0);
        }
    }

    private async Task EndAsync()
    {
        if (_completed)
            return;
        Volatile.Write(ref _completed, true);
        ReturnKept();
        if (Interlocked.Exchange(ref _isBusy, 1) == 0)
            await session.EndWritingAsync().ConfigureAwait(false);
        socketWriter.Complete();
    }

    private void ThrowIfCompleted()
    {
        if (_completed)
            throw new InvalidOperationException("The writer was completed.");
    }

    private void EnsureFree(int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        ThrowIfCompleted();
        size = Math.Max(size, 1);
        if (_kept is not null && _kept.Length - _count >= size)
            return;
        int count = _count;
        byte[] larger = pool.Rent(Math.Max(SmallestArray, Math.Max(count * 2, checked(count + size))));
        _kept?.AsSpan(0, count).CopyTo(larger);
        ReturnKept();
        (_kept, _count) = (larger, count);
    }

    private void ReturnKept()
    {
        if (_kept is { } array)
            pool.Return(array);
        (_kept, _count) = (null, 0);
    }
}
