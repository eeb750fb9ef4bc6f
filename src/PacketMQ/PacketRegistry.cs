using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using PacketMQ.Dispatch;

namespace PacketMQ;

/// <summary>
/// Holds the packets of an application: name, object and id of each. The four control packets of the protocol (ids 0 to 3) are
/// always in it. One registry can serve any number of peers, also of both kinds at once; a handshake never changes it.
/// </summary>
/// <remarks>
/// All members may be called from any thread. A connection uses the registry as it was when its handshake began; packets that are
/// added or removed later count for later connections. Register packets in the same order on both sides if one of them is
/// Python packetmq (protocol, "Handshake").
/// </remarks>
public sealed class PacketRegistry
{
    /// <summary>The smallest id of an application's packet.</summary>
    public const int MinPacketId = 16;

    /// <summary>The largest id: the field on the wire has 16 bits.</summary>
    public const int MaxPacketId = 65_535;

    /// <summary>The longest name, in characters.</summary>
    public const int MaxNameLength = 255;

    /// <summary>The most application packets in one registry: with the four control packets, the most that a peer takes by default.</summary>
    public const int MaxPackets = 4_092;

    // The id map must fit into one frame that a Python peer accepts (protocol, "Frame"): 99 999 bytes, of which the frame's own
    // parts and the four control packets take less than 200.
    private const int MaxIdMapBytes = 99_999 - 200;

    private readonly Lock _gate = new();
    private readonly List<PacketRoute> _inOrder = [];
    private readonly Dictionary<string, PacketRoute> _byName = new(StringComparer.Ordinal);
    private readonly Dictionary<int, PacketRoute> _byId = [];
    private int _idMapBytes;
    private RegistrySnapshot? _snapshot;

    /// <summary>Makes a registry that holds the four control packets.</summary>
    /// <param name="adaptPacketIds">
    /// Whether connections take over the other side's ids (usual on a client) or keep to the own ones (usual on a server). The
    /// two sides of a connection must differ in this, or it ends as <see cref="CloseReason.SameAdaptivePolicy"/>.
    /// </param>
    public PacketRegistry(bool adaptPacketIds = false)
    {
        AdaptPacketIds = adaptPacketIds;
        foreach (PacketRoute route in ControlPacket.Routes)
        {
            _byName.Add(route.Name, route);
            _byId.Add(route.Id, route);
        }
    }

    /// <summary>Whether connections take over the other side's ids.</summary>
    public bool AdaptPacketIds { get; }

    /// <summary>The names of the application's packets, in the order in which they were added.</summary>
    public ImmutableArray<string> PacketNames => [.. Snapshot().Registered.Select(route => route.Name)];

    /// <summary>Adds a packet.</summary>
    /// <param name="name">
    /// <c>application:packet</c>: 3 to 255 printable ASCII characters with a colon inside, unique in the registry. The application <c>packetmq</c>
    /// is the protocol's own.
    /// </param>
    /// <param name="packet">The object that sends and receives it. The same object may stand under several names.</param>
    /// <param name="id"><see cref="MinPacketId"/> to <see cref="MaxPacketId"/>, unique in the registry.</param>
    /// <param name="guard">What it demands of a connection; <see langword="null"/>: nothing.</param>
    /// <exception cref="ArgumentException">The name, the id or the guard breaks a rule, one of the first two is taken, or the registry is full. Nothing was added.</exception>
    public void AddPacket(string name, Packet packet, int id, PacketGuard? guard = null)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(packet);
        CheckName(name);
        if (packet is ControlPacket)
            throw new ArgumentException($"The object for '{name}' is one of the protocol's control packets; it can't stand for another packet.", nameof(packet));
        if (id is < MinPacketId or > MaxPacketId)
        {
            throw new ArgumentOutOfRangeException(
                nameof(id), id, $"The id {id} of the packet '{name}' must be {MinPacketId} to {MaxPacketId}.");
        }

        guard?.Validate();
        lock (_gate)
        {
            if (_byName.TryGetValue(name, out PacketRoute? taken))
                throw new ArgumentException($"The name '{name}' is registered already, with the id {taken.Id}.", nameof(name));
            if (_byId.TryGetValue(id, out taken))
                throw new ArgumentException($"The id {id} for '{name}' is registered already, for '{taken.Name}'.", nameof(id));
            int idMapBytes = _idMapBytes + IdMapEntryBytes(name, id);
            if (_inOrder.Count == MaxPackets || idMapBytes > MaxIdMapBytes)
            {
                throw new ArgumentException(
                    $"'{name}' does not fit: a registry holds at most {MaxPackets} packets, and its id map at most {MaxIdMapBytes} bytes " +
                    $"(it has {_inOrder.Count} packets and would have {idMapBytes} bytes).", nameof(name));
            }

            var route = new PacketRoute(name, packet, id, WireId: id) { Guard = guard };
            _inOrder.Add(route);
            _byName.Add(name, route);
            _byId.Add(id, route);
            _idMapBytes = idMapBytes;
            _snapshot = null;
        }
    }

    /// <summary>Removes a packet. Connections that exist keep it.</summary>
    /// <param name="packet">Its name, id or object.</param>
    /// <returns>Whether there was such a packet.</returns>
    /// <exception cref="ArgumentException">It is one of the protocol's control packets.</exception>
    public bool RemovePacket(PacketKey packet)
    {
        lock (_gate)
        {
            if (!TryFind(packet, out PacketRoute? route))
                return false;
            if (route.Id < MinPacketId)
                throw new ArgumentException($"'{route.Name}' belongs to the protocol and can't be removed.", nameof(packet));
            _inOrder.Remove(route);
            _byName.Remove(route.Name);
            _byId.Remove(route.Id);
            _idMapBytes -= IdMapEntryBytes(route.Name, route.Id);
            _snapshot = null;
            return true;
        }
    }

    /// <summary>The name of a packet.</summary>
    /// <param name="packet">Its name, id or object.</param>
    /// <exception cref="KeyNotFoundException">There is no such packet.</exception>
    public string GetName(PacketKey packet) => Find(packet).Name;

    /// <summary>The id of a packet in this registry.</summary>
    /// <inheritdoc cref="GetName"/>
    public int GetId(PacketKey packet) => Find(packet).Id;

    /// <summary>The object of a packet.</summary>
    /// <inheritdoc cref="GetName"/>
    public Packet GetPacket(PacketKey packet) => Find(packet).Packet;

    /// <summary>The name of a packet, if it is registered.</summary>
    /// <param name="packet">Its name, id or object.</param>
    /// <param name="name">Its name.</param>
    public bool TryGetName(PacketKey packet, [NotNullWhen(true)] out string? name)
    {
        bool found = TryFindLocked(packet, out PacketRoute? route);
        name = route?.Name;
        return found;
    }

    /// <summary>The id of a packet in this registry, if it is registered.</summary>
    /// <param name="packet">Its name, id or object.</param>
    /// <param name="id">Its id.</param>
    public bool TryGetId(PacketKey packet, out int id)
    {
        bool found = TryFindLocked(packet, out PacketRoute? route);
        id = route?.Id ?? 0;
        return found;
    }

    /// <summary>The object of a packet, if it is registered.</summary>
    /// <param name="packet">Its name, id or object.</param>
    /// <param name="value">Its object.</param>
    public bool TryGetPacket(PacketKey packet, [NotNullWhen(true)] out Packet? value)
    {
        bool found = TryFindLocked(packet, out PacketRoute? route);
        value = route?.Packet;
        return found;
    }

    /// <summary>The registry as it is now, for a connection that begins.</summary>
    internal RegistrySnapshot Snapshot()
    {
        lock (_gate)
            return _snapshot ??= new RegistrySnapshot(AdaptPacketIds, [.. _inOrder]);
    }

    private static void CheckName(string name)
    {
        int colon = name.IndexOf(':', StringComparison.Ordinal);
        if (name.Length > MaxNameLength || name.AsSpan().ContainsAnyExceptInRange(' ', '~') || colon < 1 || colon == name.Length - 1)
        {
            throw new ArgumentException(
                $"The packet name '{PrintableText.Escape(name)}' must have the form <application>:<packet>: at most {MaxNameLength} " +
                "printable ASCII characters.", nameof(name));
        }

        if (name.StartsWith("packetmq:", StringComparison.Ordinal))
            throw new ArgumentException($"The packet name '{name}' is refused: names of the application 'packetmq' belong to the protocol.", nameof(name));
    }

    // A BIN header, the name, and the id as the shortest msgpack integer.
    private static int IdMapEntryBytes(string name, int id) => 2 + name.Length + (id < 128 ? 1 : id < 256 ? 2 : 3);

    private PacketRoute Find(PacketKey key)
        => TryFindLocked(key, out PacketRoute? route)
            ? route
            : throw new KeyNotFoundException($"The registry has no packet {key}.");

    private bool TryFindLocked(PacketKey key, [NotNullWhen(true)] out PacketRoute? route)
    {
        lock (_gate)
            return TryFind(key, out route);
    }

    private bool TryFind(PacketKey key, [NotNullWhen(true)] out PacketRoute? route)
    {
        if (key.TryGetName(out string? name))
            return _byName.TryGetValue(name, out route);
        if (!key.TryGetPacket(out Packet? packet))
            return _byId.TryGetValue(key.Id, out route);
        route = packet is ControlPacket control
            ? ControlPacket.Routes.FirstOrDefault(candidate => candidate.Packet == control)
            : _inOrder.Find(candidate => ReferenceEquals(candidate.Packet, packet));
        return route is not null;
    }
}
