using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using PacketMQ.Wire;

namespace PacketMQ.Dispatch;

/// <summary>The packets that can travel on a connection. Immutable; connections that agreed on the registry's own ids share one table.</summary>
internal sealed class PacketRoutes
{
    private readonly Dictionary<int, PacketRoute> _byWireId;
    private readonly Dictionary<string, PacketRoute> _byName;
    private readonly Dictionary<int, PacketRoute> _byId;
    private readonly Dictionary<Packet, PacketRoute> _byPacket;
    private readonly HashSet<int> _onlyThere;

    /// <param name="routes">What can be sent and received.</param>
    /// <param name="onlyThere">Ids on the wire that the other side announced and that stand for nothing here.</param>
    public PacketRoutes(IReadOnlyCollection<PacketRoute> routes, IEnumerable<int>? onlyThere = null)
    {
        _onlyThere = [.. onlyThere ?? []];
        _byWireId = new(routes.Count);
        _byName = new(routes.Count, StringComparer.Ordinal);
        _byId = new(routes.Count);
        _byPacket = new(routes.Count, ReferenceEqualityComparer.Instance);
        foreach (PacketRoute route in routes)
        {
            HasGuards |= route.Guard is not null;
            _byWireId.Add(route.WireId, route);
            _byName.Add(route.Name, route);
            if (route.Id >= 0)
            {
                _byId.Add(route.Id, route);
                _byPacket.TryAdd(route.Packet, route); // the first name of an object is the one that its key means
            }
        }
    }

    /// <summary>Whether any of the packets has a guard.</summary>
    public bool HasGuards { get; }

    /// <summary>The table of one connection: the registry's routes under the ids that the handshake agreed on.</summary>
    /// <param name="registered">The registry's routes, in the order of the contract that was announced.</param>
    /// <param name="own">The table for connections that agreed on exactly the registry's ids.</param>
    /// <param name="agreement">What the handshake agreed on.</param>
    /// <param name="fallback">Stands for the names that only the other side has.</param>
    public static PacketRoutes For(
        IReadOnlyList<PacketRoute> registered, PacketRoutes own, Agreement agreement, Packet? fallback)
    {
        if (agreement.IsOwnContract)
            return own;
        var routes = new List<PacketRoute>(registered.Count + agreement.OnlyThere.Length);
        for (int i = 0; i < registered.Count; i++)
        {
            if (agreement.WireIds[i] is var wireId and >= 0)
                routes.Add(registered[i] with { WireId = wireId });
        }

        if (fallback is null)
            return new PacketRoutes(routes, agreement.OnlyThere.Select(packet => packet.Id));
        foreach ((string name, int id) in agreement.OnlyThere)
            routes.Add(new PacketRoute(name, fallback, Id: -1, id));
        return new PacketRoutes(routes);
    }

    /// <summary>Whether the other side may send this id although this side has no such packet: it said so, and was let in.</summary>
    public bool IsOnlyThere(int wireId) => _onlyThere.Contains(wireId);

    public bool TryGetByWireId(int wireId, [NotNullWhen(true)] out PacketRoute? route) => _byWireId.TryGetValue(wireId, out route);

    /// <summary>The route of a packet that is to be sent.</summary>
    /// <exception cref="PacketException">Its guard forbids that.</exception>
    public bool TryGet(Packet packet, [NotNullWhen(true)] out PacketRoute? route) => _byPacket.TryGetValue(packet, out route) && MayBeSent(route);

    /// <inheritdoc cref="TryGet(Packet, out PacketRoute?)"/>
    public bool TryGet(PacketKey key, [NotNullWhen(true)] out PacketRoute? route) => TryFind(key, out route) && MayBeSent(route);

    /// <summary>Checks the guard of the packet in the body of a frame that is to be sent; whether there is such a packet is not its question.</summary>
    /// <exception cref="PacketException">Its guard forbids that.</exception>
    public void CheckSending(ReadOnlySpan<byte> body)
    {
        if (BinaryPrimitives.TryReadUInt16BigEndian(body, out ushort wireId) && TryGetByWireId(wireId, out PacketRoute? route))
            MayBeSent(route);
    }

    /// <summary>The route of a packet, whatever its guard says.</summary>
    public bool TryFind(PacketKey key, [NotNullWhen(true)] out PacketRoute? route)
    {
        if (key.TryGetPacket(out Packet? packet))
            return _byPacket.TryGetValue(packet, out route);
        return key.TryGetName(out string? name) ? _byName.TryGetValue(name, out route) : _byId.TryGetValue(key.Id, out route);
    }

    private static bool MayBeSent(PacketRoute route)
        => route.SendFault is null ? true : throw new PacketException($"The packet '{route.Name}' can't be sent: it {route.SendFault}.");
}
