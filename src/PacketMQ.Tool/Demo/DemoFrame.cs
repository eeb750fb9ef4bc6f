using System.Buffers.Binary;

namespace PacketMQ.Tool.Demo;

/// <summary>One frame as it went over the wire: what the packet log kept, under the id that the connection gave it.</summary>
/// <param name="PacketName">The packet's name.</param>
/// <param name="OwnId">The id of the packet in the registry of the side that tells.</param>
/// <param name="WireId">The id on the wire.</param>
/// <param name="Payload">The payload.</param>
internal sealed record DemoFrame(string PacketName, int OwnId, int WireId, ReadOnlyMemory<byte> Payload)
{
    /// <summary>How many bytes follow the length.</summary>
    public int Length => sizeof(ushort) + Payload.Length;

    /// <summary>The whole frame: length, id, payload.</summary>
    public byte[] ToBytes()
    {
        byte[] frame = new byte[sizeof(uint) + Length];
        BinaryPrimitives.WriteUInt32BigEndian(frame, (uint)Length);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(sizeof(uint)), (ushort)WireId);
        Payload.CopyTo(frame.AsMemory(sizeof(uint) + sizeof(ushort)));
        return frame;
    }
}
