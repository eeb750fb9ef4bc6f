namespace PacketMQ.Transports;

/// <summary>
/// What stands behind CancelPendingFlush: a request that may come at any time, from any thread, and is taken by the running wait or else
/// by the next one. Thread-safe; one waiter at a time. A wait may be woken once for nothing: by a request that was taken before its turn
/// to wake came.
/// </summary>
/// <remarks>A mutable struct: keep it in a field that is not readonly.</remarks>
internal struct CancelSignal
{
    private bool _requested;
    private CancellationTokenSource? _wake; // the waiter's own to change

    public void Request()
    {
        Interlocked.Exchange(ref _requested, true); // the waiter sees it, or this thread sees what it waits with
        Wake();
    }

    /// <summary>Interrupts the running wait without a request, so that the waiter looks around.</summary>
    public void Wake() => Volatile.Read(ref _wake)?.Cancel();

    /// <summary>Whether there was a request; it is answered with that.</summary>
    public bool TryTake() => Volatile.Read(ref _requested) && Interlocked.Exchange(ref _requested, false);

    /// <summary>The token for the next wait, already cancelled if a request has come in between. The source is made once and lasts until it is used.</summary>
    public CancellationToken PrepareWait()
    {
        CancellationTokenSource wake = _wake is { IsCancellationRequested: false } unused ? unused : new CancellationTokenSource();
        Interlocked.Exchange(ref _wake, wake);
        return Volatile.Read(ref _requested) ? new CancellationToken(canceled: true) : wake.Token;
    }
}
