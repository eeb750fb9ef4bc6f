using System.Collections.Immutable;

namespace PacketMQ.Wire;

/// <summary>One application packet that a side announces in its id map.</summary>
internal readonly record struct PacketDeclaration(string Name, int Id);

/// <summary>
/// What this side announces in the handshake: whether it adapts its ids, and its application packets in registration order (the
/// four control packets are added in front of them by the wire). Immutable and shared by all connections of a registry's state.
/// </summary>
internal sealed class Contract(bool adaptsPacketIds, ImmutableArray<PacketDeclaration> packets)
{
    public bool AdaptsPacketIds { get; } = adaptsPacketIds;

    public ImmutableArray<PacketDeclaration> Packets { get; } = packets;
}
