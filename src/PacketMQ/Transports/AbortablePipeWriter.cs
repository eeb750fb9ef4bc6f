using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// Gives any PipeWriter what a transport promises and a pipe does not: it can be ended from any thread, at once, without taking
/// memory away that the writer still fills, and it fails with an <see cref="IOException"/> only, also when the other side has
/// stopped reading (a result is never IsCompleted). One writer at a time is the caller's duty.
/// </summary>
internal sealed class AbortablePipeWriter(PipeWriter inner) : PipeWriter
{
    private readonly Lock _gate = new();

    // Guarded by the gate.
    private string? _cause;
    private Exception? _farewell;
    private bool _completed;
    private bool _busy;
    private bool _lendsMemory;
    private bool _innerCompleted;

    public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

    public override long UnflushedBytes => inner.UnflushedBytes;

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        Lend();
        return inner.GetMemory(sizeHint);
    }

    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        Lend();
        return inner.GetSpan(sizeHint);
    }

    public override void Advance(int bytes) => inner.Advance(bytes);

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        => RunAsync(null, cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        => RunAsync(source, cancellationToken);

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It is not known what a pipe throws.")]
    public override void CancelPendingFlush()
    {
        try
        {
            inner.CancelPendingFlush();
        }
        catch (Exception)
        {
            // Completed in the meantime, so that nothing is pending there; or somebody's pipe can't do it. Who asks is often the heartbeat of all
            // connections, which ends this one without its pipe if it must.
        }
    }

    /// <summary>Ends this direction in good order; <paramref name="exception"/> does not change that, as on a socket.</summary>
    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _completed = true;
            _lendsMemory = false;
        }

        CompleteInnerIfDone();
    }

    public override async ValueTask CompleteAsync(Exception? exception = null)
    {
        try
        {
            bool hasBytes;
            lock (_gate)
                hasBytes = _lendsMemory && !_completed && _cause is null;
            if (hasBytes)
                await FlushAsync().ConfigureAwait(false);
        }
        finally
        {
            Complete(exception);
        }
    }

    /// <summary>
    /// Every write from now on fails with <paramref name="cause"/>, a pending one at once. The pipe is completed with
    /// <paramref name="farewell"/> as soon as nobody fills its memory: now, or when the flush or the writer has ended.
    /// </summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It is not known what a pipe throws.")]
    public void End(string cause, Exception? farewell)
    {
        bool interrupts;
        lock (_gate)
        {
            if (_cause is null)
                (_cause, _farewell) = (cause, farewell);
            interrupts = _busy && !_innerCompleted;
        }

        try
        {
            if (interrupts)
                CancelPendingFlush();
            else
                CompleteInnerIfDone();
        }
        catch (Exception)
        {
            // The rest of the connection has to be ended whatever somebody's pipe throws at its own end.
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlushResult> RunAsync(ReadOnlyMemory<byte>? source, CancellationToken cancellationToken)
    {
        Begin();
        FlushResult result;
        try
        {
            result = await (source is { } bytes
                ? inner.WriteAsync(bytes, cancellationToken)
                : inner.FlushAsync(cancellationToken)).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not IOException
            && !(exception is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            throw new IOException($"The pipe failed: {exception.Message}", exception);
        }
        finally
        {
            lock (_gate)
                _busy = _lendsMemory = false;
            CompleteInnerIfDone();
        }

        lock (_gate)
        {
            if (_cause is not null)
                throw new IOException(_cause);
        }

        return result.IsCompleted ? throw new IOException("The other side does not read any more.") : result;
    }

    private void Lend()
    {
        lock (_gate)
        {
            ThrowIfEnded();
            _lendsMemory = true;
        }
    }

    private void Begin()
    {
        try
        {
            lock (_gate)
            {
                ThrowIfEnded();
                _busy = true;
            }
        }
        catch (IOException)
        {
            // The abort found memory lent out and left the farewell to us.
            lock (_gate)
                _lendsMemory = false;
            CompleteInnerIfDone();
            throw;
        }
    }

    private void ThrowIfEnded()
    {
        if (_completed)
            throw new InvalidOperationException("The writer was completed.");
        if (_cause is not null)
            throw new IOException(_cause);
    }

    private void CompleteInnerIfDone()
    {
        lock (_gate)
        {
            if ((_cause is null && !_completed) || _busy || _lendsMemory || _innerCompleted)
                return;
            _innerCompleted = true;
        }

        inner.Complete(_farewell);
    }
}
