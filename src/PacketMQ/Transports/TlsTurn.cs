namespace PacketMQ.Transports;

/// <summary>
/// A TLS handshake's place among those that may compute at the same time. It is given up while the handshake waits for the network, so
/// that peers who connect and say nothing take no place from those who do. One user at a time.
/// </summary>
internal sealed class TlsTurn(SemaphoreSlim places)
{
    private bool _isOn;

    public async ValueTask BeginAsync()
    {
        await places.WaitAsync().ConfigureAwait(false);
        _isOn = true;
    }

    public void End()
    {
        if (!_isOn)
            return;
        _isOn = false;
        places.Release();
    }
}
