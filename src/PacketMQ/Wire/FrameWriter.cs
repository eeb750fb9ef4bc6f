using System.Buffers;
using System.Buffers.Binary;

namespace PacketMQ.Wire;

/// <summary>Writes a frame's header; the payload follows it as it is (protocol, "Frame").</summary>
internal static class FrameWriter
{
    /// <summary>Writes <see cref="WireProtocol.HeaderBytes"/> bytes.</summary>
    public static void WriteHeader(Span<byte> destination, int packetId, int payloadBytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(destination, (uint)(WireProtocol.PacketIdBytes + payloadBytes));
        BinaryPrimitives.WriteUInt16BigEndian(destination[WireProtocol.LengthBytes..], (ushort)packetId);
    }

    public static void WriteHeader(IBufferWriter<byte> output, int packetId, int payloadBytes)
    {
        WriteHeader(output.GetSpan(WireProtocol.HeaderBytes), packetId, payloadBytes);
        output.Advance(WireProtocol.HeaderBytes);
    }
}
