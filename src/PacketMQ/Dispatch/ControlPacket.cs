using System.Buffers;
using System.Collections.Immutable;

namespace PacketMQ.Dispatch;

/// <summary>Stands in a registry for a packet of the protocol, so that its documented name and id are visible there. The wire handles it; it can't be sent or handled as a packet.</summary>
internal sealed class ControlPacket : Packet
{
    private ControlPacket()
    {
    }

    /// <summary>The four of protocol, "Handshake", in the order in which every id map lists them.</summary>
    public static ImmutableArray<PacketRoute> Routes { get; } =
    [
        new("packetmq:handshake_init", new ControlPacket(), 0, 0),
        new("packetmq:softquit", new ControlPacket(), 1, 1),
        new("packetmq:handshake_pubids", new ControlPacket(), 2, 2),
        new("packetmq:handshake_finish", new ControlPacket(), 3, 3),
    ];

    protected internal override void OnEncode(object? data, IBufferWriter<byte> payload)
        => throw new NotSupportedException("The protocol sends its control packets itself.");
}
