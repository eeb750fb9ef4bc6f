namespace PacketMQ.Connections;

/// <summary>The deadlines of one connection. The heartbeat looks at them once a second, so nothing reads the clock per packet.</summary>
internal sealed class ConnectionWatch(Connection connection, ConnectionLoop loop, SendQueue sendQueue, PeerOptions options)
{
    // Callbacks of the closing token, a handler, connection lost, the farewell.
    private const int StepsOfTheEnd = 4;

    private readonly TimeProvider _time = options.TimeProvider;
    private readonly long _begun = options.TimeProvider.GetTimestamp();
    private long _frame = -1;
    private long _frameBytes;
    private long _frameSeen;
    private int _progress;
    private long _progressSeen;
    private bool _isSending;
    private long? _endSeen;

    /// <summary>Ends the connection if one of its time-outs has passed.</summary>
    public void Tick()
    {
        long now = _time.GetTimestamp();
        if (connection.IsEnding)
        {
            CheckEnd(now);
        }
        else if (connection.State == ConnectionState.Handshaking)
        {
            CheckHandshake(now);
        }
        else if (connection.State == ConnectionState.Active)
        {
            loop.NoticeSlowHandler();
            sendQueue.UncorkForBlockedLoop();
            CheckReceiveRate(now);
            CheckSending(now);
        }
    }

    // Each step of the end has its own time-out, but a step that blocks its thread never comes to look at it.
    private void CheckEnd(long now)
    {
        _endSeen ??= now;
        if (_time.GetElapsedTime(_endSeen.Value, now) > StepsOfTheEnd * options.CloseTimeout)
            connection.LeaveBehind();
    }

    private void CheckHandshake(long now)
    {
        if (_time.GetElapsedTime(_begun, now) >= options.HandshakeTimeout)
        {
            connection.RequestClose(
                CloseReason.HandshakeTimeout, $"The handshake took longer than {options.HandshakeTimeout.TotalSeconds:0.###} s.", Farewell.SoftQuit);
        }
    }

    private void CheckReceiveRate(long now)
    {
        long bytes = loop.IncompleteBytes;
        if (bytes == 0 || options.MinReceiveRate is not { } minimum)
        {
            _frame = -1;
            return;
        }

        if (loop.FramesRead != _frame)
        {
            (_frame, _frameBytes, _frameSeen) = (loop.FramesRead, bytes, now);
            return;
        }

        TimeSpan elapsed = _time.GetElapsedTime(_frameSeen, now);
        double rate = (bytes - _frameBytes) / elapsed.TotalSeconds;
        if (elapsed >= options.MinReceiveRateGracePeriod && rate < minimum)
        {
            connection.RequestClose(
                CloseReason.StalledFrame, $"A frame arrives at {rate:0} bytes/s; the slowest allowed is {minimum} bytes/s.", Farewell.SoftQuit);
        }
    }

    private void CheckSending(long now)
    {
        if (!sendQueue.IsWaitingForTransport || options.SendTimeout is not { } timeout)
        {
            _isSending = false;
        }
        else if (!_isSending || sendQueue.Progress != _progress)
        {
            (_isSending, _progress, _progressSeen) = (true, sendQueue.Progress, now);
        }
        else if (_time.GetElapsedTime(_progressSeen, now) >= timeout)
        {
            connection.RequestClose(
                CloseReason.SlowConsumer, $"The other side took nothing for {timeout.TotalSeconds:0.###} s while data waited for it.", Farewell.Cut);
        }
    }
}
