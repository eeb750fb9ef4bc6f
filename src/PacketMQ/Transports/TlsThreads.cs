namespace PacketMQ.Transports;

/// <summary>
/// The threads on which TLS handshakes compute, as many as may at the same time; who comes first goes first. In the thread pool a
/// flood of strangers would stand before what established connections have to do; between threads the system shares the processors. There
/// is no thread while there are no handshakes.
/// </summary>
internal sealed class TlsThreads(int most)
{
    // To start a thread costs a tenth of a handshake, and the next one mostly comes soon.
    private const int PatienceMilliseconds = 1_000;

    private readonly object _gate = new(); // guards the rest; not a Lock, because threads wait at it
    private readonly Queue<TlsTurn> _waiting = new();
    private int _threads;
    private int _idle;

    /// <summary>How many threads there are.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _threads;
        }
    }

    /// <summary>Lets the turn come.</summary>
    public void Add(TlsTurn turn)
    {
        lock (_gate)
        {
            _waiting.Enqueue(turn);
            if (_waiting.Count <= _idle)
            {
                Monitor.Pulse(_gate);
                return;
            }

            if (_threads == most)
                return; // whoever is through first takes it
            _threads++;
        }

        Start();
    }

    private void Start()
    {
        try
        {
            new Thread(() => Run(PatienceMilliseconds)) { IsBackground = true, Name = "PacketMQ TLS" }.UnsafeStart();
        }
        catch (OutOfMemoryException)
        {
            // The want of a thread must not cost the connections that wait: a thread of the pool stands in, until nobody waits.
            ThreadPool.UnsafeQueueUserWorkItem(static threads => threads.Run(patience: 0), this, preferLocal: false);
        }
    }

    private void Run(int patience)
    {
        while (TryTake(patience) is { } turn)
            turn.Run();
    }

    private TlsTurn? TryTake(int patience)
    {
        lock (_gate)
        {
            while (_waiting.Count == 0)
            {
                _idle++;
                bool isWoken = patience > 0 && Monitor.Wait(_gate, patience);
                _idle--;
                if (!isWoken && _waiting.Count == 0)
                {
                    _threads--;
                    return null;
                }
            }

            return _waiting.Dequeue();
        }
    }
}
