using System.Runtime.CompilerServices;

namespace PacketMQ.Tool.Bench;

/// <summary>The server's side of a measurement: counts what comes, tells the count, and sends back.</summary>
/// <param name="clock">The clock of the counts.</param>
internal sealed class BenchResponder(TimeProvider clock)
{
    // A loop stays on its thread for a whole batch, so the look-up is done once for many packets.
    [ThreadStatic]
    private static Tally? _last;

    private readonly ConditionalWeakTable<Connection, Tally> _tallies = [];
    private readonly long _begin = clock.GetTimestamp();

    /// <summary>Registers the packets.</summary>
    /// <exception cref="ArgumentException">A name or id is taken.</exception>
    public void AddTo(PacketRegistry registry)
    {
        var counted = new Packet<BenchCount>();
        BinaryPacket echo = null!;
        echo = new BinaryPacket((data, context) => context.Connection.SendAsync(echo, data));
        BenchPackets.Add(registry, BenchPackets.Sink, new BinaryPacket((data, context) => TallyOf(context.Connection).Add(data.Length)));
        BenchPackets.Add(registry, BenchPackets.Count, new BinaryPacket((_, context) => context.ReplyAsync(
            counted, TallyOf(context.Connection).ToCount(clock.GetElapsedTime(_begin)))));
        BenchPackets.Add(registry, BenchPackets.Counted, counted);
        BenchPackets.Add(registry, BenchPackets.Echo, echo);
    }

    private Tally TallyOf(Connection connection)
    {
        Tally? last = _last;
        return last is not null && last.IsOf(connection) ? last : _last = _tallies.GetValue(connection, key => new Tally(key));
    }

    /// <summary>What one connection has brought. Used by its loop only.</summary>
    private sealed class Tally(Connection connection)
    {
        private readonly WeakReference<Connection> _connection = new(connection); // the thread's field keeps no connection alive
        private long _messages;
        private long _bytes;

        public bool IsOf(Connection connection) => _connection.TryGetTarget(out Connection? own) && own == connection;

        public void Add(long bytes)
        {
            _messages++;
            _bytes += bytes;
        }

        public BenchCount ToCount(TimeSpan time) => new(_messages, _bytes, time.TotalSeconds);
    }
}
