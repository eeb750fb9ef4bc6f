using PacketMQ.Dispatch;

namespace PacketMQ;

/// <summary>Goes with a packet through its hooks: the connection it came from (or goes to), its name, and the way to answer. Small; pass it by value.</summary>
public readonly struct PacketContext
{
    private readonly PacketRoute _route;

    internal PacketContext(Connection connection, PacketRoute route) => (Connection, _route) = (connection, route);

    /// <summary>The connection that the packet came from, or goes to.</summary>
    public Connection Connection { get; }

    /// <summary>The peer that the connection belongs to.</summary>
    public Peer Peer => Connection.Peer;

    /// <summary>The packet's name.</summary>
    public string PacketName => _route.Name;

    /// <summary>The packet's id on the wire of this connection, which adaption may have made another than the registry's.</summary>
    public int WireId => _route.WireId;

    /// <summary>Cancelled when the connection begins to end: pass it to whatever a handler waits for.</summary>
    public CancellationToken ConnectionClosing => Connection.Closing;

    internal int? MaxDynamicExpansion => Peer.Options.MaxDynamicExpansion;

    /// <summary>Sends a packet back on the same connection.</summary>
    /// <inheritdoc cref="Connection.SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask ReplyAsync(PacketKey packet, object? data, CancellationToken cancellationToken = default)
        => Connection.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends a typed packet back on the same connection.</summary>
    /// <inheritdoc cref="Connection.SendAsync{T}(Packet{T}, T, CancellationToken)"/>
    public ValueTask ReplyAsync<T>(Packet<T> packet, T data, CancellationToken cancellationToken = default)
        => Connection.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends opaque bytes back on the same connection, with one copy and no allocation.</summary>
    /// <inheritdoc cref="Connection.SendAsync(BinaryPacket, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask ReplyAsync(BinaryPacket packet, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
        => Connection.SendAsync(packet, data, cancellationToken);
}
