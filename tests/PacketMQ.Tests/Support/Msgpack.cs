using System.Buffers.Binary;
using System.Text;
using CsCheck;

namespace PacketMQ.Tests.Support;

/// <summary>Random well-formed msgpack, and a plain model of what well-formed means. It shares no code with src/.</summary>
internal static class Msgpack
{
    private const int MaxModelDepth = 64;

    private static readonly Gen<byte[]> Scalar = Gen.OneOf(
        Gen.Byte[0x00, 0x7f].Select(b => new[] { b }),
        Gen.Byte[0xe0, 0xff].Select(b => new[] { b }),
        Gen.OneOf<byte>(0xc0, 0xc2, 0xc3).Select(b => new[] { b }),
        Gen.OneOf((0xca, 4), (0xcb, 8), (0xcc, 1), (0xcd, 2), (0xce, 4), (0xcf, 8), (0xd0, 1), (0xd1, 2), (0xd2, 4), (0xd3, 8))
            .SelectMany(number => Gen.Byte.Array[number.Item2].Select(bytes => (byte[])[(byte)number.Item1, .. bytes])));

    private static readonly Gen<byte[]> Text = Gen.Select(Gen.OneOf("a", "name", "grüße", "€", "😀", "日本語"), Gen.Int[0, 12])
        .SelectMany((word, count) => Body(Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(word, count))), 0xd9, 0xa0));

    private static readonly Gen<byte[]> Binary = Gen.Byte.Array[0, 40].SelectMany(bytes => Body(bytes, 0xc4));

    private static readonly Gen<byte[]> Extension = Gen.OneOf(
        Gen.Select(Gen.OneOf((0xd4, 1), (0xd5, 2), (0xd6, 4), (0xd7, 8), (0xd8, 16)), Gen.Byte[0, 0xfe])
            .SelectMany((fix, type) => Gen.Byte.Array[fix.Item2].Select(bytes => (byte[])[(byte)fix.Item1, type, .. bytes])),
        Gen.Select(Gen.Byte.Array[0, 40], Gen.Byte[0, 0xfe]).Select((bytes, type) => (byte[])[0xc7, (byte)bytes.Length, type, .. bytes]),
        Gen.Byte.Array[4].Select(seconds => (byte[])[0xd6, 0xff, .. seconds]),
        Gen.Byte.Array[4].Select(seconds => (byte[])[0xd7, 0xff, 0, 0, 0, 4, .. seconds]),
        Gen.Byte.Array[8].Select(seconds => (byte[])[0xc7, 12, 0xff, 0x3b, 0x9a, 0xc9, 0xff, .. seconds]));

    public static readonly Gen<byte[]> Value = Nested(4);

    /// <summary>Whether <paramref name="payload"/> is one value and nothing else.</summary>
    public static bool IsOneValue(byte[] payload) => End(payload, 0, 0) == payload.Length;

    private static Gen<byte[]> Nested(int depth)
    {
        Gen<byte[]> leaf = Gen.OneOf(Scalar, Text, Binary, Extension);
        if (depth == 0)
            return leaf;
        Gen<byte[]> inner = Nested(depth - 1);
        Gen<byte[]> array = inner.Array[0, 6].SelectMany(items => Container(items, items.Length, 0x90, 0xdc));
        Gen<byte[]> map = Gen.Select(inner, inner).Select((key, value) => (byte[])[.. key, .. value]).Array[0, 4]
            .SelectMany(pairs => Container(pairs, pairs.Length, 0x80, 0xde));
        return Gen.OneOf(leaf, array, map);
    }

    private static Gen<byte[]> Container(byte[][] items, int count, byte fix, byte wide)
    {
        byte[] body = [.. items.SelectMany(item => item)];
        return Gen.OneOf<byte[]>(
            [(byte)(fix + count), .. body],
            [wide, 0, (byte)count, .. body],
            [(byte)(wide + 1), 0, 0, 0, (byte)count, .. body]);
    }

    private static Gen<byte[]> Body(byte[] bytes, byte wide, byte? fix = null)
    {
        List<byte[]> forms =
        [
            [wide, (byte)bytes.Length, .. bytes],
            [(byte)(wide + 1), 0, (byte)bytes.Length, .. bytes],
            [(byte)(wide + 2), 0, 0, 0, (byte)bytes.Length, .. bytes],
        ];
        if (fix is { } code && bytes.Length < 32)
            forms.Add([(byte)(code + bytes.Length), .. bytes]);
        return Gen.OneOf([.. forms]);
    }

    /// <summary>Where the value at <paramref name="at"/> ends; -1 if there is none.</summary>
    private static long End(byte[] bytes, long at, int depth)
    {
        if (at < 0 || at >= bytes.Length)
            return -1;
        byte code = bytes[at];
        return code switch
        {
            <= 0x7f or >= 0xe0 or 0xc0 or 0xc2 or 0xc3 => at + 1,
            <= 0x8f => EndOfItems(bytes, at + 1, (code & 0x0f) * 2, depth),
            <= 0x9f => EndOfItems(bytes, at + 1, code & 0x0f, depth),
            <= 0xbf => EndOfText(bytes, at + 1, code & 0x1f),
            0xc1 => -1,
            <= 0xc6 => EndOfBytes(bytes, at, 1 << (code - 0xc4), 0),
            <= 0xc9 => EndOfExtension(bytes, at + 1 + (1 << (code - 0xc7)), Number(bytes, at + 1, 1 << (code - 0xc7))),
            0xca => Within(bytes, at + 5),
            0xcb => Within(bytes, at + 9),
            <= 0xcf => Within(bytes, at + 1 + (1 << (code - 0xcc))),
            <= 0xd3 => Within(bytes, at + 1 + (1 << (code - 0xd0))),
            <= 0xd8 => EndOfExtension(bytes, at + 1, 1 << (code - 0xd4)),
            <= 0xdb => EndOfText(bytes, at + 1 + (1 << (code - 0xd9)), Number(bytes, at + 1, 1 << (code - 0xd9))),
            <= 0xdd => EndOfItems(bytes, at + 1 + (2 << (code - 0xdc)), Number(bytes, at + 1, 2 << (code - 0xdc)), depth),
            _ => EndOfItems(bytes, at + 1 + (2 << (code - 0xde)), Number(bytes, at + 1, 2 << (code - 0xde)) * 2, depth),
        };
    }

    private static long Within(byte[] bytes, long end) => end <= bytes.Length ? end : -1;

    private static long Number(byte[] bytes, long at, int size)
    {
        if (at + size > bytes.Length)
            return -1;
        long number = 0;
        for (int i = 0; i < size; i++)
            number = (number << 8) | bytes[at + i];
        return number;
    }

    private static long EndOfBytes(byte[] bytes, long at, int size, int extra)
    {
        long length = Number(bytes, at + 1, size);
        return length < 0 ? -1 : Within(bytes, at + 1 + size + extra + length);
    }

    private static long EndOfText(byte[] bytes, long body, long length)
    {
        if (length < 0 || Within(bytes, body + length) < 0)
            return -1;
        try
        {
            _ = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, (int)body, (int)length);
            return body + length;
        }
        catch (ArgumentException)
        {
            return -1;
        }
    }

    private static long EndOfItems(byte[] bytes, long at, long count, int depth)
    {
        if (count < 0 || depth == MaxModelDepth)
            return -1;
        for (long i = 0; i < count && at >= 0; i++)
            at = End(bytes, at, depth + 1);
        return at;
    }

    private static long EndOfExtension(byte[] bytes, long typeAt, long length)
    {
        if (length < 0 || Within(bytes, typeAt + 1 + length) < 0)
            return -1;
        if (bytes[typeAt] == 0xff)
        {
            if (length is not (4 or 8 or 12))
                return -1;
            uint first = BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan((int)typeAt + 1));
            if ((length == 8 && first >> 2 > 999_999_999) || (length == 12 && first > 999_999_999))
                return -1;
        }

        return typeAt + 1 + length;
    }
}
