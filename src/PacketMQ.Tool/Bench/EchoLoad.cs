namespace PacketMQ.Tool.Bench;

/// <summary>
/// Round trips on one connection: the handler of each reply notes its time and sends the next request, so that a fixed number is
/// under way. Replies come in the order of the requests. After the start, only the connection's loop is in here; nothing is allocated.
/// </summary>
/// <param name="clock">The clock.</param>
/// <param name="size">The payload that has to come back, in bytes.</param>
/// <param name="window">How many may be under way.</param>
/// <param name="from">The timestamp from which replies count.</param>
/// <param name="until">The timestamp from which they no longer do, and no request is sent.</param>
internal sealed class EchoLoad(TimeProvider clock, int size, int window, long from, long until)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly long[] _sentAt = new long[window]; // a ring: at most so many are under way
    private readonly double _nanoseconds = 1e9 / clock.TimestampFrequency;
    private Func<ValueTask> _send = null!;
    private long _until = until;
    private long _sent;
    private long _received;

    /// <summary>How long the counted round trips took.</summary>
    public LatencyHistogram Latency { get; } = new();

    /// <summary>Completes when the time is over and every reply has come.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Sends the first request. The others follow from its reply.</summary>
    public ValueTask StartAsync(Func<ValueTask> send)
    {
        _send = send;
        return SendAsync();
    }

    /// <summary>Ends it early.</summary>
    public void Stop(long timestamp) => Volatile.Write(ref _until, timestamp);

    /// <summary>A reply has come.</summary>
    public async ValueTask ReceiveAsync(long bytes)
    {
        long now = clock.GetTimestamp();
        if (bytes != size || _received == _sent)
        {
            _ended.TrySetException(new CommandException(ExitCode.Failure, $"The server sent {bytes} bytes that it had not got."));
            return;
        }

        long sentAt = _sentAt[(int)(_received++ % window)];
        long end = Volatile.Read(ref _until);
        if (now >= end)
        {
            if (_received == _sent)
                _ended.TrySetResult();
            return;
        }

        if (now >= from)
            Latency.Record((long)((now - sentAt) * _nanoseconds));
        while (_sent - _received < window)
            await SendAsync();
    }

    private ValueTask SendAsync()
    {
        _sentAt[(int)(_sent++ % window)] = clock.GetTimestamp();
        return _send();
    }
}
