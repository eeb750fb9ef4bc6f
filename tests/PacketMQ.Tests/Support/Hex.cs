using System.Buffers;

namespace PacketMQ.Tests.Support;

/// <summary>Bytes as the protocol page writes them.</summary>
internal static class Hex
{
    /// <summary>Blanks are for the reader.</summary>
    public static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal));

    public static string Of(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    public static string Of(in ReadOnlySequence<byte> bytes) => Of(bytes.ToArray());
}
