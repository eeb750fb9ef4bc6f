using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace PacketMQ.Serialization;

/// <summary>
/// Hash codes that a peer can't predict. They borrow the runtime's string hash, whose 128-bit key is drawn once per process: keys
/// that were chosen to collide elsewhere (the halves of a 64-bit integer, equal mantissas) spread like any others here.
/// </summary>
internal static class SeededHash
{
    public static int Of(ulong number) => string.GetHashCode(MemoryMarshal.Cast<ulong, char>(new ReadOnlySpan<ulong>(in number)));

    public static int Of(ReadOnlySpan<byte> bytes)
    {
        int even = string.GetHashCode(MemoryMarshal.Cast<byte, char>(bytes));
        return bytes.Length % 2 == 0 ? even : HashCode.Combine(even, bytes[^1]);
    }

    /// <summary>The same as the hash of the string whose UTF-8 these bytes are, if they are any string's.</summary>
    public static int OfText(ReadOnlySpan<byte> bytes)
    {
        char[]? rented = null;
        Span<char> text = bytes.Length <= 256 ? stackalloc char[256] : rented = ArrayPool<char>.Shared.Rent(bytes.Length);
        try
        {
            return Utf8.ToUtf16(bytes, text, out _, out int length, replaceInvalidSequences: false) == OperationStatus.Done
                ? string.GetHashCode(text[..length])
                : Of(bytes);
        }
        finally
        {
            if (rented is not null)
                ArrayPool<char>.Shared.Return(rented);
        }
    }
}
