using System.Buffers;
using System.Text;
using Nerdbank.MessagePack;

namespace PacketMQ.Wire;

/// <summary>
/// The bytes of the four control packets, exactly as a Python peer sends them: every string as BIN (protocol, "Strings: BIN and
/// STR" and "Handshake").
/// </summary>
internal static class ControlPackets
{
    private static readonly byte[] InitFrame = [0, 0, 0, 0x0d, 0, 0, 0x81, MsgpackCode.Bin8, 7, .. "version"u8, WireProtocol.Version];

    private static readonly byte[] FinishFrame = [0, 0, 0, 3, 0, 3, MsgpackCode.Nil];

    // The map of two with its two keys and the flag.
    private const int IdMapFixedBytes = 1 + 2 + 5 + 1 + 2 + 5;

    public static void WriteInit(IBufferWriter<byte> output) => output.Write(InitFrame);

    public static void WriteIdMap(IBufferWriter<byte> output, Contract contract) => output.Write(contract.IdMapFrame.Span);

    public static void WriteFinish(IBufferWriter<byte> output) => output.Write(FinishFrame);

    public static void WriteSoftQuit(IBufferWriter<byte> output, CloseReason reason)
    {
        var payload = new ArrayBufferWriter<byte>(16 + CloseReason.MaxNameLength);
        var writer = new MessagePackWriter(payload);
        writer.WriteMapHeader(1);
        writer.Write("reason"u8);
        writer.Write(Encoding.ASCII.GetBytes(reason.Name));
        writer.Flush();

        FrameWriter.WriteHeader(output, WireProtocol.SoftQuitId, payload.WrittenCount);
        output.Write(payload.WrittenSpan);
    }

    /// <summary>Accepts an INIT of our version.</summary>
    public static void ReadInit(in ReadOnlySequence<byte> payload)
    {
        var reader = new ControlPacketReader(payload);
        if (!reader.TryReadMapHeader(out int keys))
            throw new ProtocolException(CloseReason.BadHandshake, $"The payload of the first packet must be a map; it is of type {reader.NextType}.");

        long? version = null;
        for (; keys > 0; keys--)
        {
            if (reader.ReadKey() == "version")
                version = reader.ReadInteger();
            else
                reader.Skip();
        }

        if (version is null)
            throw new ProtocolException(CloseReason.BadHandshake, "The first packet must have an integer 'version'.");
        if (version != WireProtocol.Version)
        {
            throw new ProtocolException(
                CloseReason.VersionMismatch, $"The other side speaks version {version} of the protocol; this side speaks {WireProtocol.Version}.");
        }
    }

    /// <summary>
    /// Reads why the other side goes. Whatever it sent, it goes: what is no valid reason is <see cref="CloseReason.Unknown"/>.
    /// </summary>
    public static CloseReason ReadSoftQuit(in ReadOnlySequence<byte> payload)
    {
        var reader = new ControlPacketReader(payload);
        if (!reader.TryReadMapHeader(out int keys))
            return CloseReason.Unknown;
        for (; keys > 0; keys--)
        {
            if (reader.ReadText() == "reason")
                return reader.ReadText() is { } name && CloseReason.IsValidName(name) ? new CloseReason(name) : CloseReason.Unknown;
            reader.Skip();
        }

        return CloseReason.Unknown;
    }

    /// <summary>The whole PUBIDS frame: the four defaults, then the contract's packets in registration order.</summary>
    public static byte[] EncodeIdMap(Contract contract)
    {
        int length = contract.IdMapFrameLength;
        var frame = new ArrayBufferWriter<byte>(WireProtocol.LengthBytes + length);
        FrameWriter.WriteHeader(frame, WireProtocol.IdMapId, length - WireProtocol.PacketIdBytes);
        var writer = new MessagePackWriter(frame);
        writer.WriteMapHeader(2);
        writer.Write("adapt"u8);
        writer.Write(contract.AdaptsPacketIds);
        writer.Write("idmap"u8);
        writer.WriteMapHeader(WireProtocol.ControlPackets.Length + contract.Packets.Length);
        foreach (PacketDeclaration packet in WireProtocol.ControlPackets)
            WriteEntry(ref writer, packet);
        foreach (PacketDeclaration packet in contract.Packets)
            WriteEntry(ref writer, packet);
        writer.Flush();
        return frame.WrittenSpan.ToArray();
    }

    /// <summary>What <see cref="EncodeIdMap"/> writes into the length field, without encoding anything.</summary>
    public static int IdMapFrameLength(Contract contract)
    {
        int names = WireProtocol.ControlPackets.Length + contract.Packets.Length;
        int length = WireProtocol.PacketIdBytes + IdMapFixedBytes + names switch { < 16 => 1, < 65_536 => 3, _ => 5 };
        foreach (PacketDeclaration packet in WireProtocol.ControlPackets)
            length += EntryBytes(packet);
        foreach (PacketDeclaration packet in contract.Packets)
            length += EntryBytes(packet);
        return length;
    }

    private static int EntryBytes(PacketDeclaration packet)
        => 2 + packet.Name.Length + packet.Id switch { < 0x80 => 1, < 0x100 => 2, _ => 3 };

    private static void WriteEntry(ref MessagePackWriter writer, PacketDeclaration packet)
    {
        Span<byte> name = stackalloc byte[WireProtocol.MaxNameBytes];
        writer.Write(name[..Encoding.ASCII.GetBytes(packet.Name, name)]);
        writer.Write((uint)packet.Id);
    }
}
