using System.Buffers;
using System.Text.Unicode;

namespace PacketMQ.Serialization;

/// <summary>
/// Which keys of a dynamic map are the same: integers of any type by their number, so that <c>map[123]</c> finds what arrived as a
/// <see cref="long"/>; float and double by value; a string and the bytes of its UTF-8, because Python 2 sends its strings as BIN;
/// instants by time. An integer, a float and a bool are never equal to each other. Its hash codes withstand hash flooding.
/// </summary>
internal sealed class DynamicKeyComparer : IEqualityComparer<object>
{
    public static readonly DynamicKeyComparer Instance = new();

    private DynamicKeyComparer()
    {
    }

    public new bool Equals(object? x, object? y)
    {
        if (ReferenceEquals(x, y))
            return true;
        if (x is null || y is null)
            return false;
        if (x is string text)
            return y is string otherText ? string.Equals(text, otherText, StringComparison.Ordinal) : TryGetBytes(y, out ReadOnlySpan<byte> utf8) && IsUtf8Of(utf8, text);
        if (x is long known && y is long wanted)
            return known == wanted;
        if (TryGetInteger(x, out Int128 integer))
            return TryGetInteger(y, out Int128 otherInteger) && integer == otherInteger;
        if (TryGetBytes(x, out ReadOnlySpan<byte> bytes))
            return TryGetBytes(y, out ReadOnlySpan<byte> otherBytes) ? bytes.SequenceEqual(otherBytes) : y is string otherText && IsUtf8Of(bytes, otherText);
        if (TryGetFloat(x, out double number))
            return TryGetFloat(y, out double otherNumber) && number.Equals(otherNumber);
        if (TryGetInstant(x, out long ticks))
            return TryGetInstant(y, out long otherTicks) && ticks == otherTicks;
        return x.Equals(y);
    }

    public int GetHashCode(object key)
    {
        if (key is string text)
            return text.GetHashCode();
        if (TryGetInteger(key, out Int128 integer))
            return SeededHash.Of((ulong)(integer & ulong.MaxValue));
        if (TryGetBytes(key, out ReadOnlySpan<byte> bytes))
            return SeededHash.OfText(bytes);
        if (TryGetFloat(key, out double number))
            return SeededHash.Of(BitConverter.DoubleToUInt64Bits(Canonical(number)));
        if (TryGetInstant(key, out long ticks))
            return SeededHash.Of((ulong)ticks);
        return key.GetHashCode();
    }

    // Bytes arrive as an array only; the others are what may be sent, and looked up.
    private static bool TryGetBytes(object key, out ReadOnlySpan<byte> bytes)
    {
        switch (key)
        {
            case byte[] array: bytes = array; return true;
            case ReadOnlyMemory<byte> memory: bytes = memory.Span; return true;
            case Memory<byte> memory: bytes = memory.Span; return true;
            case ArraySegment<byte> segment: bytes = segment; return true;
            case ReadOnlySequence<byte> sequence: bytes = sequence.IsSingleSegment ? sequence.FirstSpan : sequence.ToArray(); return true;
            default: bytes = default; return false;
        }
    }

    private static bool TryGetInteger(object key, out Int128 value)
    {
        switch (key)
        {
            case long number: value = number; return true;
            case int number: value = number; return true;
            case ulong number: value = number; return true;
            case uint number: value = number; return true;
            case short number: value = number; return true;
            case ushort number: value = number; return true;
            case byte number: value = number; return true;
            case sbyte number: value = number; return true;
            default: value = default; return false;
        }
    }

    private static bool TryGetFloat(object key, out double value)
    {
        switch (key)
        {
            case double number: value = number; return true;
            case float number: value = number; return true;
            default: value = default; return false;
        }
    }

    private static bool TryGetInstant(object key, out long ticks)
    {
        switch (key)
        {
            case DateTime { Kind: not DateTimeKind.Unspecified } time: ticks = time.ToUniversalTime().Ticks; return true;
            case DateTimeOffset time: ticks = time.UtcTicks; return true;
            default: ticks = default; return false;
        }
    }

    /// <summary>One bit pattern for what <see cref="double.Equals(double)"/> takes for the same: both zeros, all NaNs.</summary>
    private static double Canonical(double number) => number == 0 ? 0 : double.IsNaN(number) ? double.NaN : number;

    private static bool IsUtf8Of(ReadOnlySpan<byte> bytes, string text)
    {
        // One UTF-16 unit becomes one to three bytes, so most pairs need no conversion.
        if (bytes.Length < text.Length || bytes.Length > 3L * text.Length)
            return false;
        byte[]? rented = null;
        Span<byte> utf8 = bytes.Length <= 512 ? stackalloc byte[512] : rented = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            return Utf8.FromUtf16(text, utf8, out _, out int length, replaceInvalidSequences: false) == OperationStatus.Done
                && utf8[..length].SequenceEqual(bytes);
        }
        finally
        {
            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
        }
    }
}
