using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Connections;

/// <summary>
/// Connections in the order of their ids: 16 bytes each, and half as much again for those to come. They are found and listed from any
/// thread without a lock, while one thread at a time adds and removes.
/// </summary>
/// <remarks>
/// What a reader has hold of stays in order: a slot is filled before it counts, and afterwards only loses its connection. Whatever would
/// move others is done in a new array.
/// </remarks>
internal sealed class ConnectionSlots
{
    private const int FewestSlots = 16;

    private Slots _slots = new(FewestSlots);
    private int _count;

    public bool IsEmpty => Volatile.Read(ref _count) == 0;

    /// <summary>All that are there from the first look to the last, and some of those that come or go between.</summary>
    public IEnumerable<Connection> All
    {
        get
        {
            Slots slots = Volatile.Read(ref _slots);
            int used = slots.Used;
            for (int i = 0; i < used; i++)
            {
                if (slots[i] is { } connection)
                    yield return connection;
            }
        }
    }

    /// <summary>Adds a connection with a higher id than all before it.</summary>
    public void Add(Connection connection)
    {
        if (!_slots.TryAppend(connection))
        {
            Rebuild();
            _slots.TryAppend(connection);
        }

        Volatile.Write(ref _count, _count + 1);
    }

    /// <summary>Removes a connection. It never fails: the end of a connection must get through without memory too.</summary>
    public bool TryRemove(long id)
    {
        if (!_slots.TryClear(id))
            return false;
        Volatile.Write(ref _count, _count - 1);
        if (_slots.Used > FewestSlots && _count < _slots.Used / 4)
            Shrink();
        return true;
    }

    public bool TryFind(long id, [NotNullWhen(true)] out Connection? connection)
    {
        Slots slots = Volatile.Read(ref _slots);
        int index = slots.IndexOf(id);
        connection = index < 0 ? null : slots[index];
        return connection is not null;
    }

    private void Shrink()
    {
        try
        {
            Rebuild();
        }
        catch (OutOfMemoryException)
        {
            // It stays as large as it is; the next one who goes tries again.
        }
    }

    private void Rebuild()
    {
        var slots = new Slots(FewestSlots + _count + (_count / 2));
        foreach (Connection connection in All)
            slots.TryAppend(connection);
        Volatile.Write(ref _slots, slots);
    }

    private sealed class Slots(int capacity)
    {
        private readonly (long Id, Connection? Connection)[] _array = new (long, Connection?)[capacity];
        private int _used;

        /// <summary>Those included that have lost their connection.</summary>
        public int Used => Volatile.Read(ref _used);

        public Connection? this[int index] => Volatile.Read(ref _array[index].Connection);

        /// <summary>False: it is full.</summary>
        public bool TryAppend(Connection connection)
        {
            if (_used == _array.Length)
                return false;
            _array[_used] = (connection.Id, connection);
            Volatile.Write(ref _used, _used + 1);
            return true;
        }

        public bool TryClear(long id)
            => IndexOf(id) is var index && index >= 0 && Interlocked.Exchange(ref _array[index].Connection, null) is not null;

        public int IndexOf(long id)
        {
            int low = 0;
            for (int high = Used - 1; low <= high;)
            {
                int middle = (low + high) / 2;
                long found = _array[middle].Id;
                if (found == id)
                    return middle;
                if (found > id)
                    high = middle - 1;
                else
                    low = middle + 1;
            }

            return -1;
        }
    }
}
