using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace PacketMQ.Wire;

/// <summary>UTF-8 that lies across buffer segments: a character may be cut by each boundary.</summary>
internal static class SegmentedText
{
    private const int MaxCharacterBytes = 4;

    public static bool IsUtf8(in ReadOnlySequence<byte> text)
    {
        Span<byte> character = stackalloc byte[MaxCharacterBytes];
        int begun = 0;
        foreach (ReadOnlyMemory<byte> segment in text)
        {
            ReadOnlySpan<byte> bytes = segment.Span;
            while (begun > 0 && !bytes.IsEmpty)
            {
                character[begun++] = bytes[0];
                bytes = bytes[1..];
                OperationStatus status = Rune.DecodeFromUtf8(character[..begun], out _, out _);
                if (status == OperationStatus.InvalidData)
                    return false;
                if (status == OperationStatus.Done)
                    begun = 0;
            }

            if (bytes.IsEmpty)
                continue;
            int cut = CutCharacterBytes(bytes);
            if (!Utf8.IsValid(bytes[..^cut]))
                return false;
            bytes[^cut..].CopyTo(character);
            begun = cut;
        }

        return begun == 0;
    }

    /// <summary>How many bytes at the end are the beginning of a character; 0 if the last one is whole, or nothing valid.</summary>
    private static int CutCharacterBytes(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length < MaxCharacterBytes && length <= bytes.Length; length++)
        {
            ReadOnlySpan<byte> end = bytes[^length..];
            bool isContinuation = (end[0] & 0xc0) == 0x80;
            if (!isContinuation)
                return Rune.DecodeFromUtf8(end, out _, out _) == OperationStatus.NeedMoreData ? length : 0;
        }

        return 0;
    }
}
