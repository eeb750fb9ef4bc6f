namespace PacketMQ.Transports;

/// <summary>
/// What stands behind CancelPendingRead and CancelPendingFlush: a request that may come at any time, from any thread, and is taken
/// by the running wait or else by the next one. Thread-safe; one waiter at a time.
/// </summary>
internal sealed class CancelSignal
{
    private readonly Lock _gate = new();
    private volatile bool _requested;
    private CancellationTokenSource? _wake;

    /// <summary>Whether there is a request that nobody has taken yet.</summary>
    public bool IsRequested => _requested;

    public void Request()
    {
        lock (_gate)
            _requested = true;
        Wake();
    }

    /// <summary>Interrupts the running wait without a request, so that the waiter looks around.</summary>
    public void Wake()
    {
        CancellationTokenSource? wake;
        lock (_gate)
            wake = _wake;
        wake?.Cancel();
    }

    /// <summary>Whether there was a request; it is answered with that.</summary>
    public bool TryTake()
    {
        if (!_requested)
            return false;
        lock (_gate)
        {
            bool requested = _requested;
            _requested = false;
            // A late Wake for this request then strikes a source that nobody waits on any more.
            _wake = null;
            return requested;
        }
    }

    /// <summary>The token for the next wait, already cancelled if a request has come in between. The source is made once and lasts until it is used.</summary>
    public CancellationToken PrepareWait()
    {
        lock (_gate)
        {
            if (_requested)
                return new CancellationToken(canceled: true);
            if (_wake is null or { IsCancellationRequested: true })
                _wake = new CancellationTokenSource();
            return _wake.Token;
        }
    }
}
