using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Connections;

/// <summary>The connections of one peer, with the heartbeat that looks at their deadlines while there are any.</summary>
internal sealed class ConnectionTable : IDisposable
{
    private static readonly TimeSpan TickPeriod = TimeSpan.FromSeconds(1);

    private readonly ConnectionSlots _connections = new();
    private readonly Lock _changing = new(); // guards what changes the connections; nobody else's code runs in it
    private readonly Lock _gate = new(); // guards the heartbeat, and whether it is closed; taken before the other
    private readonly Action _onTick;
    private readonly Action<Exception> _onFault;
    private readonly ITimer _heartbeat;
    private readonly bool _queues;
    private Picture? _picture; // for broadcasts; none once it is out of date, so that it keeps no connection that has ended
    private int _version; // of the connections
    private int _isQueued;
    private bool _isBeating;
    private bool _isClosed;
    private long _lastId;

    /// <param name="timeProvider">The heartbeat's clock.</param>
    /// <param name="onTick">What else a heartbeat does.</param>
    /// <param name="onFault">Is told what a heartbeat threw. Throws nothing.</param>
    public ConnectionTable(TimeProvider timeProvider, Action onTick, Action<Exception> onFault)
    {
        _onTick = onTick;
        _onFault = onFault;
        _queues = timeProvider == TimeProvider.System; // another clock's timers run where it is moved
        _heartbeat = timeProvider.CreateTimer(static table => ((ConnectionTable)table!).Beat(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>All connections, those in their handshake and those that are ending included, in the order in which they began.</summary>
    public IEnumerable<Connection> All => _connections.All;

    /// <summary>The active connection that began first, if there is one.</summary>
    public Connection? FirstActive
        => All.FirstOrDefault(connection => connection.State == ConnectionState.Active);

    public Connection? Find(long id) => _connections.TryFind(id, out Connection? connection) ? connection : null;

    /// <summary>Adds a connection, and gives it its id. False: the peer has stopped.</summary>
    public bool TryAdd(Connection connection)
    {
        lock (_gate)
        {
            if (_isClosed)
                return false;
            lock (_changing)
            {
                connection.Id = _lastId + 1;
                _connections.Add(connection);
                _lastId++;
                Interlocked.Increment(ref _version);
            }

            if (!_isBeating)
            {
                _isBeating = true;
                _heartbeat.Change(TickPeriod, TickPeriod);
            }

            return true;
        }
    }

    public void Remove(Connection connection)
    {
        lock (_changing)
        {
            if (_connections.TryRemove(connection.Id))
                Interlocked.Increment(ref _version);
        }
    }

    /// <summary>The same connections as <see cref="All"/>, as a whole that does not change, and is not made anew while they do not. Not to be changed.</summary>
    public Connection[] Snapshot()
    {
        Picture? picture = Volatile.Read(ref _picture);
        int version = Volatile.Read(ref _version);
        if (picture is null || picture.Version != version)
            Volatile.Write(ref _picture, picture = new Picture(version, [.. All])); // what changes meanwhile has another version
        return picture.Connections;
    }

    /// <summary>Takes no more connections.</summary>
    public void Close()
    {
        lock (_gate)
            _isClosed = true;
    }

    public void Dispose() => _heartbeat.Dispose();

    // The runtime runs timers before all else that waits for its thread pool. So a heartbeat that looked at the connections at once would find
    // that the peers sent nothing, while what they sent waits there: it waits for its own turn.
    private void Beat()
    {
        Guard(static table =>
        {
            if (table._queues)
                table.QueueTurn();
            else
                table.TickConnections();
        });
        Guard(static table => table._onTick());
        if (Volatile.Read(ref _picture) is { } picture && picture.Version != Volatile.Read(ref _version))
            Volatile.Write(ref _picture, null);
        Guard(static table => table.StopIfEmpty());
    }

    private void QueueTurn()
    {
        if (Interlocked.Exchange(ref _isQueued, 1) != 0)
            return;
        bool isQueued = false;
        try
        {
            isQueued = ThreadPool.UnsafeQueueUserWorkItem(static table => table.TakeTurn(), this, preferLocal: false);
        }
        finally
        {
            if (!isQueued)
                Volatile.Write(ref _isQueued, 0);
        }
    }

    private void TakeTurn()
    {
        Guard(static table => table.TickConnections());
        Volatile.Write(ref _isQueued, 0);
    }

    // One that can't be looked at must not keep the others from it.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "What is wrong with one connection ends that one.")]
    private void TickConnections()
    {
        foreach (Connection connection in _connections.All)
        {
            try
            {
                connection.Tick();
            }
            catch (Exception exception)
            {
                connection.EndAfterFaultyTick(exception);
            }
        }
    }

    private void StopIfEmpty()
    {
        if (!_connections.IsEmpty)
            return;
        lock (_gate)
        {
            if (_connections.IsEmpty)
            {
                _isBeating = false;
                Volatile.Write(ref _picture, null);
                _heartbeat.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    // On a timer's thread, or a bare one of the pool: what was thrown there, for want of memory for example, would end the process.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "The next heartbeat does what this one could not.")]
    private void Guard(Action<ConnectionTable> step)
    {
        try
        {
            step(this);
        }
        catch (Exception exception)
        {
            _onFault(exception);
        }
    }

    private sealed record Picture(int Version, Connection[] Connections);
}
