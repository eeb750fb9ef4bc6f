using System.Collections.Immutable;

namespace PacketMQ.Wire;

/// <summary>One application packet that a side announces in its id map.</summary>
internal readonly record struct PacketDeclaration(string Name, int Id);

/// <summary>
/// What this side announces in the handshake: whether it adapts its ids, and its application packets in registration order (the
/// four control packets are added in front of them by the wire). Immutable and shared by all connections of a registry's state.
/// Names and ids are valid and different: the registry refuses others.
/// </summary>
internal sealed class Contract(bool adaptsPacketIds, ImmutableArray<PacketDeclaration> packets)
{
    public bool AdaptsPacketIds { get; } = adaptsPacketIds;

    public ImmutableArray<PacketDeclaration> Packets { get; } = packets;

    /// <summary>The name of each of <see cref="Packets"/>.</summary>
    public ImmutableArray<string> Names { get; } = [.. packets.Select(packet => packet.Name)];

    /// <summary>The id of each of <see cref="Packets"/>.</summary>
    public ImmutableArray<int> Ids { get; } = [.. packets.Select(packet => packet.Id)];

    /// <summary>
    /// The length field of the id map's frame. Above <see cref="WireProtocol.MaxLegacyFrameBytes"/> no Python peer can read it: the
    /// registry must refuse the packet that brings it there.
    /// </summary>
    public int IdMapFrameLength => field != 0 ? field : field = ControlPackets.IdMapFrameLength(this);

    /// <summary>The whole frame of the id map. Made once, when the first connection needs it.</summary>
    public ReadOnlyMemory<byte> IdMapFrame
    {
        // Two connections that come first at once may both make it; the frames are equal.
        get => _idMapFrame ??= ControlPackets.EncodeIdMap(this);
    }

    /// <summary>
    /// The last id map that was accepted in answer to this contract: the next one is likely to be the same. One only, so a peer that
    /// announces something else each time costs what it would cost without.
    /// </summary>
    public AcceptedIdMap? LastAccepted
    {
        get => Volatile.Read(ref _lastAccepted);
        set => Volatile.Write(ref _lastAccepted, value);
    }

    private byte[]? _idMapFrame;
    private AcceptedIdMap? _lastAccepted;
}
