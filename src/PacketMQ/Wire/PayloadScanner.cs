using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Text.Unicode;

namespace PacketMQ.Wire;

/// <summary>
/// Checks that a payload is exactly one well-formed msgpack value within the limits (protocol, "Frame" and "Msgpack details"), so
/// that nothing behind it meets a cut value, invalid text, a bomb of nested containers or a count that no bytes stand for. It
/// reads forward once, calls nothing recursively and allocates nothing, whatever the payload declares.
/// </summary>
internal static class PayloadScanner
{
    /// <summary>The highest limit of the depth. The room for it is on the stack and not cleared, which is most of what a small payload costs.</summary>
    public const int MaxDepth = 256;

    /// <summary>Returns whether a key of some map is BIN, as Python 2 sends them.</summary>
    /// <exception cref="ProtocolException">The payload is refused.</exception>
    public static bool Scan(in ReadOnlySequence<byte> payload, int maxDepth, int maxItems)
    {
        return payload.IsSingleSegment
            ? Scan(payload.FirstSpan, maxDepth, maxItems)
            : ScanSegments(payload, maxDepth, maxItems);
    }

    /// <inheritdoc cref="Scan(in ReadOnlySequence{byte}, int, int)"/>
    public static bool Scan(ReadOnlySpan<byte> payload, int maxDepth, int maxItems)
        => !IsLoneValue(payload) && !IsFlatContainer(payload, maxItems) && ScanContiguous(payload, maxDepth, maxItems);

    /// <summary>The shortest way for opaque bytes. <see langword="false"/> means only: look closer.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsLoneBinary(ReadOnlySpan<byte> bytes)
        => bytes.Length >= 3
            && ((bytes[0] == MsgpackCode.Bin8 && bytes.Length == 2 + bytes[1])
                || (bytes[0] == MsgpackCode.Bin16 && bytes.Length == 3 + BinaryPrimitives.ReadUInt16BigEndian(bytes[1..])));

    /// <summary>The shortest way for a payload without containers. <see langword="false"/> means only: look closer.</summary>
    private static bool IsLoneValue(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return false;
        byte code = bytes[0];
        switch (code)
        {
            case <= MsgpackCode.MaxPositiveFixInt or >= MsgpackCode.MinNegativeFixInt:
                return bytes.Length == 1;
            case >= MsgpackCode.MinFixStr and <= MsgpackCode.MaxFixStr:
                return bytes.Length == 1 + (code & 0x1f) && Utf8.IsValid(bytes[1..]);
            case MsgpackCode.Bin8:
                return bytes.Length >= 2 && bytes.Length == 2 + bytes[1];
            case MsgpackCode.Bin16:
                return bytes.Length >= 3 && bytes.Length == 3 + BinaryPrimitives.ReadUInt16BigEndian(bytes[1..]);
            case MsgpackCode.Bin32:
                return bytes.Length >= 5 && (uint)bytes.Length - 5 == BinaryPrimitives.ReadUInt32BigEndian(bytes[1..]);
            case MsgpackCode.Str8:
                return bytes.Length >= 2 && bytes.Length == 2 + bytes[1] && Utf8.IsValid(bytes[2..]);
            case MsgpackCode.Str16:
                return bytes.Length >= 3 && bytes.Length == 3 + BinaryPrimitives.ReadUInt16BigEndian(bytes[1..])
                    && Utf8.IsValid(bytes[3..]);
            default:
                return MsgpackCode.ScalarBytes(code) == bytes.Length;
        }
    }

    /// <summary>
    /// The shortest way for one small container of numbers and short texts, which is what most typed packets are: no level has
    /// to be remembered. <see langword="false"/> means only: look closer.
    /// </summary>
    private static bool IsFlatContainer(ReadOnlySpan<byte> bytes, int maxItems)
    {
        if (bytes.IsEmpty || bytes[0] is < MsgpackCode.MinFixMap or > MsgpackCode.MaxFixArray)
            return false;
        int values = bytes[0] < MsgpackCode.MinFixArray ? 2 * (bytes[0] & 0x0f) : bytes[0] & 0x0f;
        if (values >= maxItems)
            return false;

        int index = 1;
        for (; values > 0 && (uint)index < (uint)bytes.Length; values--)
        {
            byte code = bytes[index++];
            if (code is <= MsgpackCode.MaxPositiveFixInt or >= MsgpackCode.MinNegativeFixInt)
                continue;
            if (code is >= MsgpackCode.MinFixStr and <= MsgpackCode.MaxFixStr)
            {
                int length = code & 0x1f;
                if (length > bytes.Length - index || !PayloadScan.IsText(bytes.Slice(index, length)))
                    return false;
                index += length;
                continue;
            }

            int scalarBytes = MsgpackCode.ScalarBytes(code);
            if (scalarBytes == 0)
                return false;
            index += scalarBytes - 1;
        }

        return values == 0 && index == bytes.Length;
    }

    [SkipLocalsInit]
    private static bool ScanContiguous(ReadOnlySpan<byte> bytes, int maxDepth, int maxItems)
    {
        var scan = new PayloadScan((stackalloc uint[MaxDepth])[..maxDepth], maxItems, bytes.Length);
        scan.Advance(scan.Run(bytes, out _));
        scan.Finish();
        return scan.HasBinaryKeys;
    }

    [SkipLocalsInit]
    private static bool ScanSegments(in ReadOnlySequence<byte> payload, int maxDepth, int maxItems)
    {
        var scan = new PayloadScan((stackalloc uint[MaxDepth])[..maxDepth], maxItems, payload.Length);
        Span<byte> bridge = stackalloc byte[PayloadScan.MaxHeadBytes];
        ReadOnlySequence<byte> rest = payload;
        while (!scan.IsComplete)
        {
            scoped ReadOnlySpan<byte> bytes = rest.FirstSpan;
            if (bytes.Length < bridge.Length && bytes.Length < rest.Length)
            {
                // A value's head may lie across the boundary: look at it in one piece.
                int length = (int)long.Min(bridge.Length, rest.Length);
                rest.Slice(0, length).CopyTo(bridge);
                bytes = bridge[..length];
            }

            long end = scan.Run(bytes, out long textBytes);
            if (textBytes != 0 && !SegmentedText.IsUtf8(rest.Slice(end - textBytes, textBytes)))
                scan.RefuseText(end - textBytes);
            scan.Advance(end);
            rest = rest.Slice(end);
        }

        scan.Finish();
        return scan.HasBinaryKeys;
    }
}
