using PacketMQ.Transports;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// The bytes of a TLS stream from outside. The second byte chooses the slicing. How many bytes of a record are there, and whether they are
/// refused, depends on the bytes only, and is what a reader finds that looks at the whole stream again each time.
/// </summary>
internal static class TlsRecordsTarget
{
    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        int way = input.Span[1];
        input = input[2..];
        Check(input, Slicing.Whole);
        Check(input, way);
        if (input.Length <= 64)
            Check(input, Slicing.ByteByByte);
    }

    private static void Check(ReadOnlyMemory<byte> input, int way)
    {
        var records = new TlsRecords();
        int taken = 0;
        bool isRefused = false;
        foreach (ReadOnlyMemory<byte> piece in Slicing.Cut(input, way))
        {
            taken += piece.Length;
            bool wasRefused = isRefused;
            isRefused = !TryTake(ref records, piece.Span);
            Invariant.Holds(records.IncompleteBytes >= 0, "Fewer than no bytes have arrived of a record.");
            Invariant.Holds(isRefused || !wasRefused, "What was refused is taken later.");
            if (taken < input.Length && input.Length > 256)
                continue; // each look begins at the first byte
            int? expected = Expect(input.Span[..taken]);
            Invariant.Holds(isRefused == expected is null, $"A stream is {(isRefused ? "" : "not ")}refused behind {taken} bytes.");
            Invariant.Holds(isRefused || records.IncompleteBytes == expected, $"{records.IncompleteBytes} bytes are incomplete, not {expected}.");
            if (!isRefused)
                CheckBoundary(records, input.Span[taken..]);
        }
    }

    // Who takes that much more has either the header of a record, or nothing of one.
    private static void CheckBoundary(TlsRecords records, ReadOnlySpan<byte> rest)
    {
        int count = records.UntilBoundary;
        Invariant.Holds(count is > 0 and <= TlsRecords.LongestRecord || records.Count <= 1, $"{count} bytes until a record ends.");
        long begun = records.Count;
        if (count <= rest.Length && TryTake(ref records, rest[..count]))
            Invariant.Holds(records.IncompleteBytes == 0 || records.Count == begun + 1, "Behind the boundary there is part of a record.");
    }

    private static bool TryTake(ref TlsRecords records, ReadOnlySpan<byte> bytes)
    {
        try
        {
            records.Take(bytes);
            return true;
        }
        catch (InvalidDataException)
        {
            return false;
        }
    }

    /// <summary>From RFC 8446 section 5.1, and for a hello as SSL 2 had it from RFC 5246 appendix E.2. Null: refused.</summary>
    private static int? Expect(ReadOnlySpan<byte> bytes)
    {
        for (bool isFirst = true; !bytes.IsEmpty; isFirst = false)
        {
            bool isOld = isFirst && (bytes[0] & 0x80) != 0;
            bool isChecked = !isFirst || bytes[0] == 0x16; // what is no TLS from its first byte on is left to the handshake
            int header = isOld ? 2 : 5;
            if (isChecked && bytes.Length >= 2 && bytes[1] != 3)
                return null;
            if (bytes.Length < header)
                return bytes.Length;
            int length = isOld ? ((bytes[0] & 0x7f) << 8) | bytes[1] : (bytes[3] << 8) | bytes[4];
            if (isChecked && length > TlsRecords.LongestRecord)
                return null;
            if (bytes.Length < header + length)
                return bytes.Length;
            bytes = bytes[(header + length)..];
        }

        return 0;
    }
}
