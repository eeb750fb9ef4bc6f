using System.Buffers;
using System.Collections.Immutable;
using PacketMQ.Dispatch;

namespace PacketMQ;

/// <summary>
/// Keeps the last packets that a peer sent and received, for debugging (Python: <c>packetlogging</c>, <c>log_recv</c>, <c>log_send</c>).
/// Give it to <see cref="PeerOptions.PacketLog"/>. Bounded: the oldest entry makes room. It holds payloads, so keep it as private as they are.
/// </summary>
/// <remarks>All members may be called from any thread. Each logged packet allocates its entry.</remarks>
public sealed class PacketLog
{
    private readonly Lock _gate = new();
    private readonly PacketLogEntry?[] _entries;
    private long _next;

    /// <summary>Makes a log.</summary>
    /// <param name="capacity">How many packets are kept, 1 to 1 000 000.</param>
    /// <param name="maxPayloadBytes">How many bytes of each payload are kept, 1 to 1 048 576.</param>
    public PacketLog(int capacity = 256, int maxPayloadBytes = 1_024)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1_000_000);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPayloadBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxPayloadBytes, 1_048_576);
        _entries = new PacketLogEntry?[capacity];
        MaxPayloadBytes = maxPayloadBytes;
    }

    /// <summary>How many packets are kept.</summary>
    public int Capacity => _entries.Length;

    /// <summary>How many bytes of each payload are kept.</summary>
    public int MaxPayloadBytes { get; }

    /// <summary>The packets in the order in which they were logged, oldest first. A copy.</summary>
    public ImmutableArray<PacketLogEntry> Entries
    {
        get
        {
            lock (_gate)
            {
                int count = (int)Math.Min(_next, _entries.Length);
                var entries = ImmutableArray.CreateBuilder<PacketLogEntry>(count);
                for (long i = _next - count; i < _next; i++)
                    entries.Add(_entries[i % _entries.Length]!);
                return entries.MoveToImmutable();
            }
        }
    }

    /// <summary>Forgets all packets.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            Array.Clear(_entries);
            _next = 0;
        }
    }

    internal void Add(DateTimeOffset time, PacketDirection direction, long connectionId, PacketRoute route, in ReadOnlySequence<byte> payload)
    {
        byte[] kept = payload.Slice(0, Math.Min(payload.Length, MaxPayloadBytes)).ToArray();
        var entry = new PacketLogEntry(time, direction, connectionId, route.Name, route.WireId, payload.Length, kept);
        lock (_gate)
            _entries[_next++ % _entries.Length] = entry;
    }
}
