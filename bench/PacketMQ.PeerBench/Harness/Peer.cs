namespace PeerBench;

/// <summary>What a run measures. One agent pair (server process + client process) is started per run.</summary>
[Flags]
public enum Work
{
    None = 0,
    W1 = 1,   // one-way throughput, 1 connection, opaque payload
    W1m = 2,  // one-way throughput, 1 connection, msgpack map {"i","name","x"}
    W2 = 4,   // ping-pong, 1 outstanding
    W2b = 8,  // echo, 64 outstanding
    W3 = 16,  // fan-out: server broadcasts to 100 connections
    W4 = 32,  // 2,000 idle connections (each has done one echo)
    Many = 64, // one way, opaque payload, any number of connections (sweep)
    Accept = 128, // very many connections: their handshakes, their memory, one echo on each (accept)
    Echoes = W2 | W2b | W4 | Accept,
}

/// <summary>What a peer is told about the run. <see cref="Sink"/> counts what the receiving side got.</summary>
public sealed record Scenario(Work Work, int Payload, Sink Sink)
{
    /// <summary>In an echo run the server sends every message back; otherwise it only counts.</summary>
    public bool IsEcho => (Work & Work.Echoes) != 0;
}

/// <summary>One library under test. See README.md for how to add one.</summary>
public abstract class Peer
{
    public abstract string Name { get; }

    /// <summary>The workloads this peer can do.</summary>
    public abstract Work Supports { get; }

    /// <summary>Starts listening on 127.0.0.1:<paramref name="port"/>. Runs in the server process.</summary>
    public abstract Task<PeerServer> StartServerAsync(int port, Scenario scenario);

    /// <summary>Opens one connection. Runs in the client process; in W3 it also subscribes and feeds the sink.</summary>
    public abstract Task<PeerClient> ConnectAsync(int port, Scenario scenario);

    /// <summary>The largest opaque payload that the library sends, in bytes.</summary>
    public virtual Task<int> FindLargestPayloadAsync() => Task.FromResult(int.MaxValue);
}

public abstract class PeerServer : IAsyncDisposable
{
    /// <summary>A helper process that is part of the server (a broker). Its CPU time and memory are counted too.</summary>
    public virtual System.Diagnostics.Process? Helper => null;

    /// <summary>W3: hands one message to every connected client, waiting while the library pushes back.</summary>
    public virtual ValueTask BroadcastAsync(byte[] payload) => throw new NotSupportedException();

    /// <summary>W3: pushes out whatever <see cref="BroadcastAsync"/> still holds back.</summary>
    public virtual ValueTask FlushAsync() => default;

    public abstract ValueTask DisposeAsync();
}

public abstract class PeerClient : IAsyncDisposable
{
    /// <summary>Whether several threads may call <see cref="SendAsync"/> at once. If not, the harness holds a lock around it.</summary>
    public virtual bool IsThreadSafe => false;

    /// <summary>W1: hands over one message, waiting while the library pushes back.</summary>
    public virtual ValueTask SendAsync(byte[] payload) => throw new NotSupportedException();

    /// <summary>W1m: encodes and hands over one {"i","name","x"} map.</summary>
    public virtual ValueTask SendSampleAsync(int i, string name, double x) => throw new NotSupportedException();

    /// <summary>W1, W1m: pushes out whatever the sends still hold back.</summary>
    public virtual ValueTask FlushAsync() => default;

    /// <summary>W2, W4: one round trip.</summary>
    public virtual ValueTask EchoAsync(byte[] payload) => throw new NotSupportedException();

    /// <summary>
    /// W2b: <paramref name="count"/> round trips, at most <paramref name="window"/> outstanding. The default runs
    /// <paramref name="window"/> loops over <see cref="EchoAsync"/>, which suits libraries that match replies to
    /// requests themselves; stream-like peers override it.
    /// </summary>
    public virtual Task EchoWindowAsync(byte[] payload, int count, int window)
    {
        int left = count;
        return Task.WhenAll(Enumerable.Range(0, window).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
                await EchoAsync(payload);
        })));
    }

    public abstract ValueTask DisposeAsync();
}

/// <summary>Counts received messages and notes when the first and the last of an expected number arrived.</summary>
public sealed class Sink
{
    private long _count, _bytes, _wrong, _target = long.MaxValue, _first, _last;
    private readonly List<Counter> _counters = [];
    private int _connections;
    private TaskCompletionSource _done = new();

    public long Count => Volatile.Read(ref _count) + Pending(counter => counter.Messages);
    public long Bytes => Volatile.Read(ref _bytes) + Pending(counter => counter.Bytes);
    public long Wrong => Volatile.Read(ref _wrong);
    public double Seconds => (_last - _first) / (double)System.Diagnostics.Stopwatch.Frequency;
    public Task Done => _done.Task;

    /// <summary>Seconds since the first message of the count arrived.</summary>
    public double SecondsSinceFirst => System.Diagnostics.Stopwatch.GetElapsedTime(Volatile.Read(ref _first)).TotalSeconds;

    /// <summary>How many connections the server has taken, handshake included.</summary>
    public int Connections => Volatile.Read(ref _connections);

    public void AddConnection() => Interlocked.Increment(ref _connections);

    /// <summary>Starts a new count. Only called while nothing is in flight.</summary>
    public void Expect(long target)
    {
        _count = _bytes = _wrong = _first = _last = 0;
        lock (_counters)
            _counters.ForEach(counter => counter.Reset());
        _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _target, target);
    }

    /// <summary>Counts messages; peers that parse in batches call this once per batch.</summary>
    public void Add(int messages, long bytes)
    {
        if (messages == 0)
            return;
        Interlocked.Add(ref _bytes, bytes);
        long now = Interlocked.Add(ref _count, messages);
        if (now == messages)
            _first = System.Diagnostics.Stopwatch.GetTimestamp();
        if (now >= _target && now - messages < _target)
        {
            _last = System.Diagnostics.Stopwatch.GetTimestamp();
            _done.TrySetResult();
        }
    }

    /// <summary>
    /// For a receiver that is called per message: adds up on the receiving thread and hands over every 64 messages, as the batch
    /// parsers do, but message by message near the target. For one connection that sends all of what is expected.
    /// </summary>
    public Counter CreateCounter()
    {
        var counter = new Counter(this);
        lock (_counters)
            _counters.Add(counter);
        return counter;
    }

    /// <summary>
    /// The same for many connections: one counter for each thread that handlers run on. What a counter still holds is in
    /// <see cref="Count"/>, but <see cref="Done"/> may not come: ask for the count. For one sink in a process.
    /// </summary>
    public void AddOnThisThread(long bytes) => (t_counter ??= CreateCounter()).Add(bytes);

    [ThreadStatic]
    private static Counter? t_counter;

    /// <summary>
    /// Finishes a count of which some messages are still in the counters of threads that get no more; asked every ten milliseconds, so the last
    /// message is noted that much too late. More often would cost what is measured: a timer and a pool thread that looks for work.
    /// </summary>
    public void CountTheRest()
    {
        if (Done.IsCompleted || Count < Volatile.Read(ref _target))
            return;
        _last = System.Diagnostics.Stopwatch.GetTimestamp();
        _done.TrySetResult();
    }

    private long Pending(Func<Counter, long> of)
    {
        lock (_counters)
            return _counters.Sum(of);
    }

    public sealed class Counter(Sink sink)
    {
        private int _messages;
        private long _bytes;

        internal long Messages => Volatile.Read(ref _messages);
        internal long Bytes => Volatile.Read(ref _bytes);

        internal void Reset() => (_messages, _bytes) = (0, 0);

        public void Add(long bytes)
        {
            _bytes += bytes;
            if (++_messages < 64 && Volatile.Read(ref sink._target) - Volatile.Read(ref sink._count) > 64L * sink._counters.Count)
                return;
            int messages = _messages;
            bytes = _bytes;
            (_messages, _bytes) = (0, 0);
            sink.Add(messages, bytes);
        }
    }

    /// <summary>Counts one decoded map and checks that it is the one that was due.</summary>
    public void AddSample(int i, string? name, double x)
    {
        if (i != (int)_count || name?.Length != 8 || x != i * 0.5)
            Interlocked.Increment(ref _wrong);
        Add(1, 0);
    }
}

/// <summary>Lets at most <c>window</c> requests be outstanding: the sender enters, the receiver releases.</summary>
public sealed class WindowGate(int window)
{
    private readonly SemaphoreSlim _free = new(window);
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task EnterAsync() => _free.WaitAsync();
    public void Enter() => _free.Wait();
    public void Release(int n) => _free.Release(n);
    public Task Done => _done.Task;
    public void Finish() => _done.TrySetResult();
}
