using System.Buffers;
using PacketMQ.Wire;

namespace PacketMQ.Benchmarks;

/// <summary>Opaque payloads and frames of them, as they are on the wire.</summary>
internal static class OpaquePayload
{
    public const int PacketId = 16;

    public static byte[] Of(int bytes)
    {
        var payload = new byte[BinaryPacket.MaxHeaderLength + bytes];
        int header = BinaryPacket.WriteHeader(payload, bytes);
        return payload[..(header + bytes)];
    }

    public static byte[] Batch(int frames, byte[] payload)
    {
        var batch = new ArrayBufferWriter<byte>();
        for (int i = 0; i < frames; i++)
        {
            FrameWriter.WriteHeader(batch, PacketId, payload.Length);
            batch.Write(payload);
        }

        return batch.WrittenSpan.ToArray();
    }
}
