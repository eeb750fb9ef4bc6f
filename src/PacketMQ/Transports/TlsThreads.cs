using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Transports;

/// <summary>
/// The threads on which one peer's TLS handshakes compute, as many as may at the same time; who comes first goes first. In the thread pool a
/// flood of strangers would stand before what established connections have to do; between threads the system shares the processors. There
/// is no thread while there are no handshakes.
/// </summary>
internal sealed class TlsThreads(int most)
{
    // To start a thread costs a tenth of a handshake, and the next one mostly comes soon.
    private const int PatienceMilliseconds = 1_000;

    private static int _inProcess;

    private readonly object _gate = new(); // guards the rest; not a Lock, because threads wait at it
    private TlsTurn? _first; // who waits: linked, because to wait must take no memory
    private TlsTurn? _last;
    private int _waiting;
    private int _threads;
    private int _idle;

    /// <summary>A process with many peers has no more threads than that; from there on its thread pool stands in.</summary>
    public static int MostInProcess { get; } = 64 * Environment.ProcessorCount;

    /// <summary>How many threads there are, with those of the pool that stand in.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
                return _threads;
        }
    }

    /// <summary>Lets the turn come. It never fails: where it is called from, that would end the process.</summary>
    public void Add(TlsTurn turn)
    {
        lock (_gate)
        {
            if (_last is null)
                _first = turn;
            else
                _last.Next = turn;
            _last = turn;
            _waiting++;
            if (_waiting <= _idle)
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

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "The system has its reasons; the turn waits for the next one's thread.")]
    private void Start()
    {
        try
        {
            if (!TryStartThread())
                ThreadPool.UnsafeQueueUserWorkItem(static threads => threads.Run(patience: 0), this, preferLocal: false);
        }
        catch (Exception)
        {
            lock (_gate)
                _threads--;
        }
    }

    private bool TryStartThread()
    {
        if (Interlocked.Increment(ref _inProcess) <= MostInProcess)
        {
            try
            {
                new Thread(RunThread) { IsBackground = true, Name = "PacketMQ TLS" }.UnsafeStart();
                return true;
            }
            catch (Exception exception) when (exception is OutOfMemoryException or ThreadStartException)
            {
                // The want of a thread must not cost the connections that wait.
            }
        }

        Interlocked.Decrement(ref _inProcess);
        return false;
    }

    private void RunThread()
    {
        Run(PatienceMilliseconds);
        Interlocked.Decrement(ref _inProcess);
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
            while (_first is null)
            {
                _idle++;
                bool isWoken = patience > 0 && Monitor.Wait(_gate, patience);
                _idle--;
                if (!isWoken && _first is null)
                {
                    _threads--;
                    return null;
                }
            }

            TlsTurn turn = _first;
            _first = turn.Next;
            if (_first is null)
                _last = null;
            turn.Next = null;
            _waiting--;
            return turn;
        }
    }
}
