using System.Buffers.Binary;
using System.Text.Unicode;

namespace PacketMQ.Serialization;

/// <summary>
/// Python 2 sends the names of fields as BIN, the typed decoder knows them only as STR. Their headers have the same lengths, so the
/// keys of all maps are turned from one into the other in place. Values stay as they are: there BIN may mean bytes.
/// </summary>
internal static class BinaryKeys
{
    private const byte Bin8 = 0xc4;
    private const byte Bin32 = 0xc6;
    private const byte Str8 = 0xd9;

    /// <param name="payload">One well-formed msgpack value, in memory of our own.</param>
    public static void ToText(Span<byte> payload)
    {
        Span<Level> open = stackalloc Level[DynamicCodec.MaxDepth];
        int depth = 0;
        int position = 0;
        do
        {
            bool isKey = depth > 0 && open[depth - 1].TakeElement();
            Token token = Read(payload[position..]);
            if (isKey && payload[position] is >= Bin8 and <= Bin32 && Utf8.IsValid(payload.Slice(position + token.Header, token.Content)))
                payload[position] += Str8 - Bin8;
            position += token.Header + token.Content;
            if (token.Elements > 0)
            {
                if (depth == open.Length)
                    throw new PayloadException(CloseReason.TypeMismatch, $"A payload nests deeper than {open.Length} arrays and maps.");
                open[depth++] = new Level { Left = token.Elements, IsMap = token.IsMap };
            }

            while (depth > 0 && open[depth - 1].Left == 0)
                depth--;
        }
        while (depth > 0);
    }

    /// <summary>The value that begins here: how long its header and its own bytes are, and how many elements follow.</summary>
    private static Token Read(ReadOnlySpan<byte> value) => value[0] switch
    {
        <= 0x7f or >= 0xe0 or 0xc0 or 0xc2 or 0xc3 => new Token(1),
        <= 0x8f => new Token(1) { Elements = 2 * (value[0] & 0x0f), IsMap = true },
        <= 0x9f => new Token(1) { Elements = value[0] & 0x0f },
        <= 0xbf => new Token(1, value[0] & 0x1f),
        Bin8 or Str8 => new Token(2, value[1]),
        0xc5 or 0xda => new Token(3, UInt16(value)),
        Bin32 or 0xdb => new Token(5, Int32(value)),
        0xc7 => new Token(3, value[1]),
        0xc8 => new Token(4, UInt16(value)),
        0xc9 => new Token(6, Int32(value)),
        0xcc or 0xd0 => new Token(2),
        0xcd or 0xd1 => new Token(3),
        0xca or 0xce or 0xd2 => new Token(5),
        0xcb or 0xcf or 0xd3 => new Token(9),
        >= 0xd4 and <= 0xd8 => new Token(2, 1 << (value[0] - 0xd4)),
        0xdc => new Token(3) { Elements = UInt16(value) },
        0xdd => new Token(5) { Elements = Int32(value) },
        0xde => new Token(3) { Elements = 2L * UInt16(value), IsMap = true },
        0xdf => new Token(5) { Elements = 2L * Int32(value), IsMap = true },
        _ => throw new PayloadException(CloseReason.TypeMismatch, $"The byte 0x{value[0]:x2} begins no msgpack value."),
    };

    private static int UInt16(ReadOnlySpan<byte> value) => BinaryPrimitives.ReadUInt16BigEndian(value[1..]);

    private static int Int32(ReadOnlySpan<byte> value) => checked((int)BinaryPrimitives.ReadUInt32BigEndian(value[1..]));

    private readonly record struct Token(int Header, int Content = 0)
    {
        public long Elements { get; init; }

        public bool IsMap { get; init; }
    }

    private struct Level
    {
        public long Left;
        public bool IsMap;

        /// <summary>Whether it is a key: in a map, the first of the two that each entry has.</summary>
        public bool TakeElement() => IsMap & (Left-- % 2 == 0);
    }
}
