using System.Buffers.Binary;

namespace PacketMQ.Wire;

/// <summary>
/// Recognizes what else connects to an open port, by the four bytes that are no possible length of a first frame. It only makes the
/// refusal readable: such a client could not read a softquit, so it gets no answer.
/// </summary>
internal static class ForeignProtocol
{
    /// <summary>The protocol's name, or <see langword="null"/>.</summary>
    public static string? Recognize(uint firstFourBytes)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, firstFourBytes);
        if (IsHttp(bytes))
            return "HTTP";
        if (bytes.SequenceEqual("SSH-"u8))
            return "SSH";

        // A TLS record: type 22 (handshake) or 21 (alert), version 3.0 to 3.4; the fourth byte is half of its length.
        if (bytes[0] is 0x15 or 0x16 && bytes[1] == 0x03 && bytes[2] <= 0x04)
            return "TLS";
        return null;
    }

    private static bool IsHttp(ReadOnlySpan<byte> bytes)
        => bytes.SequenceEqual("GET "u8) || bytes.SequenceEqual("POST"u8) || bytes.SequenceEqual("HEAD"u8)
        || bytes.SequenceEqual("PUT "u8) || bytes.SequenceEqual("HTTP"u8) || bytes.SequenceEqual("OPTI"u8)
        || bytes.SequenceEqual("DELE"u8) || bytes.SequenceEqual("PRI "u8);
}
