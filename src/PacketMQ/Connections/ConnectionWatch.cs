namespace PacketMQ.Connections;

/// <summary>The deadlines of one connection. The heartbeat looks at them once a second, so nothing reads the clock per packet.</summary>
/// <remarks>
/// A heartbeat that comes late counts as <see cref="MostPerHeartbeat"/>. A process that was frozen, or whose thread pool was starved, has
/// not looked at what its peers sent meanwhile, and must not blame them.
/// </remarks>
internal sealed class ConnectionWatch(Connection connection, ConnectionLoop loop, SendQueue sendQueue, PeerOptions options)
{
    // Callbacks of the closing token, a handler, connection lost, the farewell.
    private const int StepsOfTheEnd = 4;

    private static readonly TimeSpan MostPerHeartbeat = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time = options.TimeProvider;
    private long _lastTick = options.TimeProvider.GetTimestamp();
    private TimeSpan _age; // as far as the heartbeats have counted
    private long _frame = -1;
    private long _windowBytes;
    private TimeSpan _windowBegun;
    private long _progress;
    private TimeSpan _progressSeen;
    private bool _isSending;
    private TimeSpan? _endSeen;

    /// <summary>Ends the connection if one of its time-outs has passed.</summary>
    public void Tick()
    {
        long now = _time.GetTimestamp();
        TimeSpan elapsed = _time.GetElapsedTime(_lastTick, now);
        _lastTick = now;
        _age += elapsed < MostPerHeartbeat ? elapsed : MostPerHeartbeat;
        if (connection.IsEnding)
        {
            CheckEnd();
        }
        else if (connection.State == ConnectionState.Handshaking)
        {
            loop.NoticeSlowHandler(); // which is the hook for authentication
            CheckHandshake();
        }
        else if (connection.State == ConnectionState.Active)
        {
            loop.NoticeSlowHandler();
            sendQueue.UncorkForBlockedLoop();
            CheckReceiveRate();
            CheckSending();
        }
    }

    // Each step of the end has its own time-out, but a step that blocks its thread never comes to look at it.
    private void CheckEnd()
    {
        _endSeen ??= _age;
        if (_age - _endSeen > StepsOfTheEnd * options.CloseTimeout)
            connection.LeaveBehind();
    }

    private void CheckHandshake()
    {
        if (connection.IsOpening && options.Tls is { } tls && _age >= tls.HandshakeTimeout)
        {
            connection.RequestClose(
                CloseReason.HandshakeTimeout, $"The TLS handshake took longer than {tls.HandshakeTimeout.TotalSeconds:0.###} s.", Farewell.Cut);
            return;
        }

        if (_age >= options.HandshakeTimeout)
        {
            connection.RequestClose(
                CloseReason.HandshakeTimeout, $"The handshake took longer than {options.HandshakeTimeout.TotalSeconds:0.###} s.", Farewell.SoftQuit);
        }
    }

    // The average over one window after another, each as long as the grace period: over the whole frame, a peer that begins fast could
    // stand still for long.
    private void CheckReceiveRate()
    {
        long bytes = loop.IncompleteBytes;
        if (bytes == 0 || options.MinReceiveRate is not { } minimum)
        {
            _frame = -1;
            return;
        }

        if (loop.FramesRead != _frame)
        {
            _frame = loop.FramesRead;
            BeginWindow(bytes);
            return;
        }

        TimeSpan elapsed = _age - _windowBegun;
        if (elapsed < options.MinReceiveRateGracePeriod)
            return;
        double rate = (bytes - _windowBytes) / elapsed.TotalSeconds;
        if (rate < minimum)
        {
            connection.RequestClose(
                CloseReason.StalledFrame, $"A frame arrives at {rate:0} bytes/s; the slowest allowed is {minimum} bytes/s.", Farewell.SoftQuit);
        }

        BeginWindow(bytes);
    }

    private void BeginWindow(long bytes) => (_windowBytes, _windowBegun) = (bytes, _age);

    private void CheckSending()
    {
        if (!sendQueue.IsWaitingForTransport || options.SendTimeout is not { } timeout)
        {
            _isSending = false;
        }
        else if (!_isSending || connection.SendProgress != _progress)
        {
            (_isSending, _progress, _progressSeen) = (true, connection.SendProgress, _age);
        }
        else if (_age - _progressSeen >= timeout)
        {
            connection.RequestClose(
                CloseReason.SlowConsumer, $"The other side took nothing for {timeout.TotalSeconds:0.###} s while data waited for it.", Farewell.Cut);
        }
    }
}
