namespace PacketMQ.Connections;

/// <summary>The one decision to end a connection: the first request wins, whoever makes it, and wakes who waits for it.</summary>
internal sealed class CloseDecision
{
    private readonly CancellationTokenSource _closing = new(); // has no timer: nothing of it needs disposal
    private readonly TaskCompletionSource _made = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CloseRequest? _request;
    private Task? _cancelling;

    /// <summary>Null until the decision is made.</summary>
    public CloseRequest? Request => Volatile.Read(ref _request);

    /// <summary>Completes when the decision is made.</summary>
    public Task Made => _made.Task;

    /// <summary>Cancelled when the decision is made.</summary>
    public CancellationToken Token => _closing.Token;

    /// <summary>Makes the decision. False: it was made before, and stands.</summary>
    public bool TryMake(CloseRequest request)
    {
        if (Interlocked.CompareExchange(ref _request, request, null) is not null)
            return false;
        _ = CancelAsync(); // at once, and not by the loop, which a handler that waits for the token on its own thread would block
        _made.TrySetResult();
        return true;
    }

    /// <summary>Tells the handlers. Callbacks of the application run on a pool thread, never here; the task is over when they are.</summary>
    public Task CancelAsync()
    {
        lock (_closing)
            return _cancelling ??= _closing.CancelAsync();
    }
}
