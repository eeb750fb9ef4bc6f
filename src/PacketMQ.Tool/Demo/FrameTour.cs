using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace PacketMQ.Tool.Demo;

/// <summary>Walks through a frame and says what each byte means. Knows as much msgpack as the demo's value needs.</summary>
internal static class FrameTour
{
    /// <summary>The frame in pieces, each with its meaning.</summary>
    public static IReadOnlyList<(string Bytes, string Meaning)> Explain(DemoFrame frame)
    {
        byte[] bytes = frame.ToBytes();
        string id = string.Create(CultureInfo.InvariantCulture, $"packet id {frame.WireId}: {frame.PacketName}");
        if (frame.OwnId != frame.WireId)
            id += string.Create(CultureInfo.InvariantCulture, $" (its own id {frame.OwnId} stays at home)");
        var pieces = new List<(string, string)>
        {
            (Hex(bytes.AsSpan(0, 4)), string.Create(CultureInfo.InvariantCulture, $"{frame.Length} bytes follow")),
            (Hex(bytes.AsSpan(4, 2)), id),
        };
        ReadOnlySpan<byte> payload = frame.Payload.Span;
        ExplainValue(ref payload, 0, pieces);
        return pieces;
    }

    /// <summary>Bytes as hexadecimal digits with spaces.</summary>
    public static string Hex(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length * 3);
        foreach (byte one in bytes)
            text.Append(CultureInfo.InvariantCulture, $"{one:x2} ");
        return text.ToString().TrimEnd();
    }

    private static void ExplainValue(ref ReadOnlySpan<byte> payload, int level, List<(string, string)> pieces)
    {
        byte code = payload[0];
        (int length, string meaning, int children) = code switch
        {
            <= 0x7f => (1, code.ToString(CultureInfo.InvariantCulture), 0),
            <= 0x8f => (1, string.Create(CultureInfo.InvariantCulture, $"a map of {code & 0x0f} entries"), 2 * (code & 0x0f)),
            <= 0x9f => (1, string.Create(CultureInfo.InvariantCulture, $"an array of {code & 0x0f}"), code & 0x0f),
            <= 0xbf => (1 + (code & 0x1f), $"\"{Encoding.UTF8.GetString(payload.Slice(1, code & 0x1f))}\"", 0),
            0xc0 => (1, "null (None)", 0),
            0xc2 => (1, "false", 0),
            0xc3 => (1, "true", 0),
            0xcb => (9, BinaryPrimitives.ReadDoubleBigEndian(payload[1..]).ToString(CultureInfo.InvariantCulture), 0),
            _ => (payload.Length, "and so on", 0),
        };
        pieces.Add((Hex(payload[..length]), new string(' ', 2 * level) + meaning));
        payload = payload[length..];
        for (int i = 0; i < children && !payload.IsEmpty; i++)
            ExplainValue(ref payload, level + 1, pieces);
    }
}
