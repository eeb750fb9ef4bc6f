using System.Buffers.Binary;
using System.Text;

namespace PacketMQ.Tests.Support;

/// <summary>Frames put together by hand, so that nothing in src/ checks itself (protocol, "Frame" and "Handshake").</summary>
internal static class PeerBytes
{
    public static byte[] Init => Hex.Bytes("0000000d 0000 81 c407 76657273696f6e 01");

    public static byte[] Finish => Hex.Bytes("00000003 0003 c0");

    public static byte[] Frame(int packetId, params byte[] payload)
    {
        byte[] frame = new byte[6 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, 2 + payload.Length);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(4), (ushort)packetId);
        payload.CopyTo(frame, 6);
        return frame;
    }

    /// <summary>The four defaults, then <paramref name="packets"/>, with the strings as BIN.</summary>
    public static byte[] IdMap(bool adapts, params (string Name, int Id)[] packets)
        => BareIdMap(
            adapts,
            [
                ("packetmq:handshake_init", 0), ("packetmq:softquit", 1), ("packetmq:handshake_pubids", 2),
                ("packetmq:handshake_finish", 3), .. packets,
            ]);

    /// <summary>Only <paramref name="packets"/>.</summary>
    public static byte[] BareIdMap(bool adapts, params (string Name, int Id)[] packets)
    {
        List<byte> payload = [0x82, 0xc4, 5, .. "adapt"u8, (byte)(adapts ? 0xc3 : 0xc2), 0xc4, 5, .. "idmap"u8];
        if (packets.Length < 16)
            payload.Add((byte)(0x80 + packets.Length));
        else
            payload.AddRange([0xde, (byte)(packets.Length >> 8), (byte)packets.Length]);
        foreach ((string name, int id) in packets)
        {
            payload.AddRange([0xc4, (byte)name.Length, .. Encoding.ASCII.GetBytes(name)]);
            if (id < 0x80)
                payload.Add((byte)id);
            else if (id < 0x100)
                payload.AddRange([0xcc, (byte)id]);
            else
                payload.AddRange([0xcd, (byte)(id >> 8), (byte)id]);
        }

        return Frame(2, [.. payload]);
    }

    /// <summary>All that a peer says up to the active state, in one write.</summary>
    public static byte[] Handshake(bool adapts, params (string Name, int Id)[] packets) => [.. Init, .. IdMap(adapts, packets), .. Finish];
}
