namespace PacketMQ.Connections;

/// <summary>The deadlines of one connection. The heartbeat looks at them once a second, so nothing reads the clock per packet.</summary>
/// <remarks>
/// A mutable struct: keep it in a field that is not readonly. A heartbeat that comes late counts as <see cref="MostPerHeartbeat"/>: a process
/// that was frozen, or whose thread pool was starved, has not looked at what its peers sent meanwhile, and must not blame them.
/// </remarks>
internal struct ConnectionWatch(TimeProvider time)
{
    // Callbacks of the closing token, a handler, connection lost, the farewell.
    private const int StepsOfTheEnd = 4;

    private static readonly TimeSpan MostPerHeartbeat = TimeSpan.FromSeconds(2);

    private long _lastTick = time.GetTimestamp();
    private TimeSpan _age; // as far as the heartbeats have counted, since the connection began or its end was seen
    private bool _isEnding;
    private int _unpooledBytes; // as counted last

    // Made when a heartbeat finds something to watch: an idle connection has neither.
    private ReceiveWindow? _receiving;
    private SendWindow? _sending;

    /// <summary>Ends the connection if one of its time-outs has passed.</summary>
    public void Tick(Connection connection, ConnectionLoop loop, SendQueue sendQueue)
    {
        PeerOptions options = connection.Peer.Options;
        long now = options.TimeProvider.GetTimestamp();
        TimeSpan elapsed = options.TimeProvider.GetElapsedTime(_lastTick, now);
        _lastTick = now;
        _age += elapsed < MostPerHeartbeat ? elapsed : MostPerHeartbeat;
        if (connection.IsEnding)
        {
            CheckEnd(connection, options);
        }
        else if (connection.State == ConnectionState.Handshaking)
        {
            loop.NoticeSlowHandler(); // which is the hook for authentication
            CheckHandshake(connection, options);
        }
        else if (connection.State == ConnectionState.Active)
        {
            loop.NoticeSlowHandler();
            sendQueue.UncorkForBlockedLoop();
            if (!loop.IsHandling)
                CountUnpooledBytes(connection);
            CheckReceiveRate(connection, loop, options);
            CheckSending(connection, options);
        }
    }

    // Each step of the end has its own time-out, but a step that blocks its thread never comes to look at it.
    private void CheckEnd(Connection connection, PeerOptions options)
    {
        if (!_isEnding)
            (_isEnding, _age) = (true, TimeSpan.Zero);
        if (_age > StepsOfTheEnd * options.CloseTimeout)
            connection.LeaveBehind();
    }

    private readonly void CheckHandshake(Connection connection, PeerOptions options)
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

    // What comes and goes between two heartbeats is not worth counting, nor what a handler leaves unread for a while; what is there at two of them
    // may be held for nothing.
    private void CountUnpooledBytes(Connection connection)
    {
        int bytes = connection.UnpooledBytes;
        if (bytes != _unpooledBytes)
            connection.CountBytes(bytes - _unpooledBytes);
        else if (bytes > 0)
            connection.ReleaseUnpooledBytes();
        _unpooledBytes = bytes;
    }

    // The average over one window after another, each as long as the grace period: over the whole frame, a peer that begins fast could
    // stand still for long.
    private void CheckReceiveRate(Connection connection, ConnectionLoop loop, PeerOptions options)
    {
        long bytes = loop.IncompleteBytes;
        if (bytes == 0 || options.MinReceiveRate is not { } minimum)
        {
            _receiving = null;
            return;
        }

        if (_receiving?.Frame != loop.FramesRead)
        {
            _receiving = new ReceiveWindow(loop.FramesRead, bytes, _age);
            return;
        }

        TimeSpan elapsed = _age - _receiving.Begun;
        if (elapsed < options.MinReceiveRateGracePeriod)
            return;
        double rate = (bytes - _receiving.Bytes) / elapsed.TotalSeconds;
        if (rate < 0 && !_receiving.IsDoubted)
        {
            // A TLS record may just be between the network and the loop; then the next heartbeat sees it.
            _receiving = _receiving with { IsDoubted = true };
            return;
        }

        if (rate < minimum)
        {
            string what = loop.IsFrameIncomplete ? "frame" : "TLS record";
            connection.RequestClose(
                CloseReason.StalledFrame, $"A {what} arrives at {rate:0} bytes/s; the slowest allowed is {minimum} bytes/s.", Farewell.SoftQuit);
        }

        _receiving = new ReceiveWindow(_receiving.Frame, bytes, _age);
    }

    private void CheckSending(Connection connection, PeerOptions options)
    {
        if (!connection.IsWaitingForTransport || options.SendTimeout is not { } timeout)
        {
            _sending = null;
            return;
        }

        long progress = connection.SendProgress; // which may ask the kernel
        if (_sending?.Progress != progress)
        {
            _sending = new SendWindow(progress, _age);
        }
        else if (_age - _sending.Seen >= timeout)
        {
            connection.RequestClose(
                CloseReason.SlowConsumer, $"The other side took nothing for {timeout.TotalSeconds:0.###} s while data waited for it.", Farewell.Cut);
        }
    }

    /// <summary>How much of an incomplete frame had arrived, and when.</summary>
    private sealed record ReceiveWindow(long Frame, long Bytes, TimeSpan Begun, bool IsDoubted = false);

    /// <summary>How far sending had come, and when that was first seen.</summary>
    private sealed record SendWindow(long Progress, TimeSpan Seen);
}
