using System.Buffers.Binary;
using System.Text;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// Makes and takes apart the bytes of the protocol, from its description and on purpose without the library's own code: what the
/// library writes is compared with what stands here.
/// </summary>
internal static class WireBytes
{
    public const int InitId = 0;
    public const int SoftQuitId = 1;
    public const int IdMapId = 2;
    public const int FinishId = 3;

    public static readonly (string Name, int Id)[] Defaults =
    [
        ("packetmq:handshake_init", 0), ("packetmq:softquit", 1), ("packetmq:handshake_pubids", 2), ("packetmq:handshake_finish", 3),
    ];

    public static readonly byte[] Init = Convert.FromHexString("0000000d000081c40776657273696f6e01");

    public static readonly byte[] Finish = Convert.FromHexString("000000030003c0");

    public static byte[] Hex(string text) => Convert.FromHexString(text.Replace(" ", "", StringComparison.Ordinal));

    public static byte[] Frame(int id, params byte[] payload)
    {
        byte[] frame = new byte[6 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, 2 + payload.Length);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(4), (ushort)id);
        payload.CopyTo(frame, 6);
        return frame;
    }

    public static int IdOf(byte[] frame) => frame.Length < 6 ? -1 : BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(4));

    public static byte[] PayloadOf(byte[] frame) => frame[6..];

    public static byte[] SoftQuit(CloseReason reason) => Frame(SoftQuitId, [0x81, .. Binary("reason"), .. Binary(reason.Name)]);

    /// <summary>PUBIDS: the four defaults, then the packets in the given order.</summary>
    public static byte[] IdMap(bool adapt, params (string Name, int Id)[] packets) => BareIdMap(adapt, [.. Defaults, .. packets]);

    /// <summary>PUBIDS with exactly the given entries.</summary>
    public static byte[] BareIdMap(bool adapt, IReadOnlyCollection<(string Name, int Id)> entries)
        => Frame(
            IdMapId,
            [
                0x82, .. Binary("adapt"), adapt ? (byte)0xc3 : (byte)0xc2, .. Binary("idmap"), .. MapHeader(entries.Count),
                .. entries.SelectMany(entry => (byte[])[.. Binary(entry.Name), .. Number(entry.Id)]),
            ]);

    public static byte[] Binary(string text) => [0xc4, (byte)text.Length, .. Encoding.ASCII.GetBytes(text)];

    public static byte[] MapHeader(int count) => count switch
    {
        < 16 => [(byte)(0x80 | count)],
        _ => [0xde, (byte)(count >> 8), (byte)count],
    };

    public static byte[] Number(int value) => value switch
    {
        < 128 => [(byte)value],
        < 256 => [0xcc, (byte)value],
        < 65_536 => [0xcd, (byte)(value >> 8), (byte)value],
        _ => [0xce, (byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value],
    };

    /// <summary>The array 0, 1, 2 … as the shortest msgpack.</summary>
    public static byte[] ArrayOfNumbers(int count)
        => [0xdc, (byte)(count >> 8), (byte)count, .. Enumerable.Range(0, count).SelectMany(Number)];

    /// <summary>Reads what a PUBIDS frame announces; names may be STR or BIN.</summary>
    public static (bool Adapt, List<(string Name, int Id)> Entries) ReadIdMap(byte[] frame)
    {
        var reader = new Reader(PayloadOf(frame));
        var entries = new List<(string, int)>();
        bool adapt = false;
        for (int keys = reader.MapHeader(); keys > 0; keys--)
        {
            if (reader.Text() == "adapt")
            {
                adapt = reader.Flag();
                continue;
            }

            for (int count = reader.MapHeader(); count > 0; count--)
                entries.Add((reader.Text(), reader.Number()));
        }

        return (adapt, entries);
    }

    /// <summary>Reads the reason of a softquit; <see langword="null"/>: it names none.</summary>
    public static string? ReadReason(byte[] frame)
    {
        if (frame[6] != 0x81)
            return null;
        var reader = new Reader(PayloadOf(frame));
        reader.MapHeader();
        return reader.Text() == "reason" ? reader.Text() : null;
    }

    private sealed class Reader(byte[] bytes)
    {
        private int _position;

        public int MapHeader() => bytes[_position++] switch
        {
            var code and >= 0x80 and <= 0x8f => code & 0x0f,
            0xde => (bytes[_position++] << 8) | bytes[_position++],
            var code => throw new FormatException($"0x{code:x2} begins no map."),
        };

        public string Text()
        {
            byte code = bytes[_position++];
            int length = code switch
            {
                >= 0xa0 and <= 0xbf => code & 0x1f,
                0xc4 or 0xd9 => bytes[_position++],
                _ => throw new FormatException($"0x{code:x2} begins no text."),
            };
            _position += length;
            return Encoding.Latin1.GetString(bytes, _position - length, length);
        }

        public bool Flag() => bytes[_position++] switch
        {
            0xc2 or 0 => false,
            0xc3 or 1 => true,
            var code => throw new FormatException($"0x{code:x2} is no flag."),
        };

        public int Number() => bytes[_position++] switch
        {
            var code and < 0x80 => code,
            0xcc => bytes[_position++],
            0xcd => (bytes[_position++] << 8) | bytes[_position++],
            var code => throw new FormatException($"0x{code:x2} begins no id."),
        };
    }
}
