using System.Threading.Tasks.Sources;

namespace PacketMQ.Transports;

/// <summary>
/// A TLS handshake's turn to compute, on one of the threads for it. It ends with the next wait for the network, so that peers who connect
/// and say nothing take no turn from those who do. One user at a time.
/// </summary>
internal sealed class TlsTurn(TlsThreads threads) : IValueTaskSource
{
    private Action<object?>? _continuation;
    private object? _state;
    private short _version;
    private bool _isOn;

    /// <summary>The one behind it in the queue; the threads' own.</summary>
    public TlsTurn? Next { get; set; }

    /// <summary>Completes on a thread for handshakes; whoever awaits it goes on there. To be awaited at once.</summary>
    public ValueTask BeginAsync() => new(this, ++_version);

    /// <summary>The user is about to wait for the network. Its thread is free as soon as it waits.</summary>
    public void End() => _isOn = false;

    /// <summary>Called by the thread.</summary>
    public void Run()
    {
        _isOn = true;
        (Action<object?> continuation, object? state) = (_continuation!, _state);
        (_continuation, _state) = (null, null);
        continuation(state);
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _isOn ? ValueTaskSourceStatus.Succeeded : ValueTaskSourceStatus.Pending;

    void IValueTaskSource.GetResult(short token)
    {
        if (!_isOn || token != _version)
            throw new InvalidOperationException("The turn was not awaited.");
    }

    // Not before: a turn that came between BeginAsync and here would let the caller go on where it is.
    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
    {
        (_continuation, _state) = (continuation, state);
        threads.Add(this);
    }
}
