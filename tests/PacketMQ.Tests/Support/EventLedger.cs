using System.Collections.Concurrent;
using System.Threading.Channels;

namespace PacketMQ.Tests.Support;

/// <summary>Counts the events of a peer's connections: each is made and lost once, or refused once.</summary>
internal sealed class EventLedger
{
    private readonly ConcurrentDictionary<Connection, Entry> _entries = new();
    private readonly Channel<ConnectionLostEventArgs> _ends = Channel.CreateUnbounded<ConnectionLostEventArgs>();

    public EventLedger(Peer peer)
    {
        peer.ConnectionMade += (_, e) => Interlocked.Increment(ref Of(e.Connection).Made);
        peer.ConnectionLost += (_, e) =>
        {
            Interlocked.Increment(ref Of(e.Connection).Lost);
            End(e);
        };
        peer.ConnectionRefused += (_, e) =>
        {
            Interlocked.Increment(ref Of(e.Connection).Refused);
            End(e);
        };
    }

    public int Count => _entries.Count;

    public ICollection<Connection> Connections => _entries.Keys;

    /// <summary>How the next connection ends, once it is closed; and that it did not end in two ways.</summary>
    public async Task<CloseInfo> NextEndAsync()
    {
        ConnectionLostEventArgs end = await _ends.Reader.ReadAsync().Soon();
        Assert.Same(end.CloseInfo, await end.Connection.Closed.Soon());
        AssertPaired(end.Connection, Of(end.Connection));
        return end.CloseInfo;
    }

    /// <summary>Waits for the ends of all connections that there were.</summary>
    public async Task AssertAllEndedAsync()
    {
        foreach ((Connection connection, Entry entry) in _entries)
        {
            CloseInfo info = await connection.Closed.Soon();
            AssertPaired(connection, entry);
            Assert.Same(info, entry.Info);
            Assert.Equal(ConnectionState.Closed, connection.State);
            Assert.False(connection.Peer.TryGetConnection(connection.Id, out _));
        }
    }

    private static void AssertPaired(Connection connection, Entry entry)
        => Assert.True(
            (entry.Made, entry.Lost, entry.Refused) is (1, 1, 0) or (0, 0, 1),
            $"{connection} was made {entry.Made}, lost {entry.Lost} and refused {entry.Refused} times.");

    private Entry Of(Connection connection) => _entries.GetOrAdd(connection, _ => new Entry());

    private void End(ConnectionLostEventArgs e)
    {
        Of(e.Connection).Info = e.CloseInfo;
        _ends.Writer.TryWrite(e);
    }

    private sealed class Entry
    {
        public int Made;
        public int Lost;
        public int Refused;
        public CloseInfo? Info;
    }
}
