namespace PacketMQ.Connections;

/// <summary>
/// The one decision to end a connection: the first request wins, whoever makes it, and wakes who waits for it. What one waits with is made
/// when somebody first asks for it, because on most connections nobody does.
/// </summary>
/// <remarks>A mutable struct: keep it in a field that is not readonly.</remarks>
internal struct CloseDecision
{
    private SpinGate _gate; // guards all below
    private CloseRequest? _request;
    private TaskCompletionSource? _made;
    private CancellationTokenSource? _closing; // has no timer: nothing of it needs disposal
    private Task? _cancelling;

    /// <summary>Null until the decision is made.</summary>
    public readonly CloseRequest? Request => Volatile.Read(in _request);

    /// <summary>Completes when the decision is made.</summary>
    public Task Made
    {
        get
        {
            using (_gate.Hold())
            {
                if (_request is not null && _made is null)
                    return Task.CompletedTask;
                return (_made ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
        }
    }

    /// <summary>Cancelled when the decision is made, or with <see cref="CancelAsync"/> before it.</summary>
    public CancellationToken Token
    {
        get
        {
            if (Volatile.Read(ref _closing) is { } made)
                return made.Token;
            using (_gate.Hold())
            {
                // Also when it was cancelled before the decision, and there was nobody to cancel then.
                if ((_request is not null || _cancelling is not null) && _closing is null)
                    return new CancellationToken(canceled: true);
                if (_closing is null)
                    Volatile.Write(ref _closing, new CancellationTokenSource());
                return _closing.Token;
            }
        }
    }

    /// <summary>Makes the decision. False: it was made before, and stands.</summary>
    public bool TryMake(CloseRequest request)
    {
        TaskCompletionSource? made;
        using (_gate.Hold())
        {
            if (_request is not null)
                return false;
            Volatile.Write(ref _request, request);
            made = _made;
        }

        _ = CancelAsync(); // at once, and not by the loop, which a handler that waits for the token on its own thread would block
        made?.TrySetResult();
        return true;
    }

    /// <summary>Tells the handlers, once the decision is made, or the other side's end was seen behind what is still to be handled. Callbacks of the application run on a pool thread, never here; the task is over when they are.</summary>
    public Task CancelAsync()
    {
        using (_gate.Hold())
            return _cancelling ??= _closing?.CancelAsync() ?? Task.CompletedTask;
    }
}
