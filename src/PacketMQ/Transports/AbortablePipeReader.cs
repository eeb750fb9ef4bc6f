using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// Gives any PipeReader what a transport promises and a pipe does not: it can be ended from any thread, at once, without taking
/// bytes away that the consumer still looks at, and it fails with an <see cref="IOException"/> only. One consumer at a time.
/// </summary>
internal sealed class AbortablePipeReader(PipeReader inner) : PipeReader
{
    private readonly Lock _gate = new();

    // Guarded by the gate.
    private string? _cause;
    private Exception? _farewell;
    private bool _completed;
    private bool _busy;
    private bool _hasUnconsumedBytes;
    private bool _innerCompleted;
    private SequencePosition _end;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        Begin();
        ReadResult result = default;
        bool success = false;
        try
        {
            result = await inner.ReadAsync(cancellationToken).ConfigureAwait(false);
            success = true;
        }
        catch (Exception exception) when (exception is not IOException
            && !(exception is OperationCanceledException && cancellationToken.IsCancellationRequested))
        {
            throw new IOException($"The pipe failed: {exception.Message}", exception);
        }
        finally
        {
            if (!success)
                EndRead();
        }

        return Accept(result);
    }

    public override bool TryRead(out ReadResult result)
    {
        Begin();
        bool success = false;
        try
        {
            success = inner.TryRead(out result);
        }
        finally
        {
            if (!success)
                EndRead();
        }

        if (success)
            result = Accept(result);
        return success;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        inner.AdvanceTo(consumed, examined);
        lock (_gate)
            _hasUnconsumedBytes = !consumed.Equals(_end);
        EndRead();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It is not known what a pipe throws.")]
    public override void CancelPendingRead()
    {
        try
        {
            inner.CancelPendingRead();
        }
        catch (Exception)
        {
            // Completed in the meantime, so that nothing is pending there; or somebody's pipe can't do it. Who asks is often the heartbeat of all
            // connections, which ends this one without its pipe if it must.
        }
    }

    /// <summary>The consumer has let go of every slice.</summary>
    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _completed = true;
            _busy = false;
            _hasUnconsumedBytes = false;
        }

        CompleteInnerIfDone();
    }

    /// <summary>
    /// Every read from now on fails with <paramref name="cause"/>, a pending one at once. The pipe is completed with
    /// <paramref name="farewell"/> as soon as nobody looks at its bytes: now, or when the consumer has advanced past them or
    /// completed; bytes that it left lying between two reads are nobody's if <paramref name="dropsUnconsumedBytes"/>.
    /// </summary>
    public void End(string cause, Exception? farewell, bool dropsUnconsumedBytes)
    {
        bool interrupts;
        lock (_gate)
        {
            if (_cause is null)
                (_cause, _farewell) = (cause, farewell);
            if (dropsUnconsumedBytes && !_busy)
                _hasUnconsumedBytes = false;
            interrupts = _busy && !_innerCompleted;
        }

        if (interrupts)
            CancelPendingRead();
        else
            TryCompleteInner();
    }

    private void Begin()
    {
        lock (_gate)
        {
            if (_completed)
                throw new InvalidOperationException("The reader was completed.");
            if (_busy)
                throw new InvalidOperationException("The last read is still running or was not advanced.");
            if (_cause is not null)
                throw new IOException(_cause);
            _busy = true;
        }
    }

    private ReadResult Accept(ReadResult result)
    {
        string? cause;
        lock (_gate)
        {
            cause = _cause;
            _end = result.Buffer.End;
        }

        if (cause is null)
            return result;
        // Nothing of it was seen yet, but a slice of an earlier result may be: leave it unconsumed.
        inner.AdvanceTo(result.Buffer.Start);
        EndRead();
        throw new IOException(cause);
    }

    private void EndRead()
    {
        lock (_gate)
            _busy = false;
        TryCompleteInner();
    }

    // The rest of the connection has to be ended whatever somebody's pipe throws at its own end.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It is not known what a pipe throws.")]
    private void TryCompleteInner()
    {
        try
        {
            CompleteInnerIfDone();
        }
        catch (Exception)
        {
            // Nothing more can be asked of it.
        }
    }

    private void CompleteInnerIfDone()
    {
        lock (_gate)
        {
            if ((_cause is null && !_completed) || _busy || _hasUnconsumedBytes || _innerCompleted)
                return;
            _innerCompleted = true;
        }

        inner.Complete(_farewell);
    }
}
