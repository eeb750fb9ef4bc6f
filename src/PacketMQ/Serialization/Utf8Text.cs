using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Strings on the wire: sent as STR, accepted as STR or, from Python 2, as BIN that is UTF-8 (protocol, "Strings: BIN and STR").</summary>
internal static class Utf8Text
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>
    /// Writes the string as STR. False if it has half of a surrogate pair: UTF-8 can't hold that, and a replacement would arrive as
    /// another text. What <paramref name="writer"/> holds is then worthless.
    /// </summary>
    public static bool TryWrite(ref MessagePackWriter writer, string text)
    {
        int length = Encoding.UTF8.GetByteCount(text);
        writer.WriteStringHeader(length);
        Span<byte> utf8 = writer.GetSpan(length);
        if (Utf8.FromUtf16(text, utf8, out _, out int written, replaceInvalidSequences: false) != OperationStatus.Done)
            return false;
        writer.Advance(written);
        return true;
    }

    /// <summary>Reads STR or BIN; nil is <see langword="null"/>.</summary>
    /// <exception cref="PayloadException">BIN that is not UTF-8.</exception>
    public static string? Read(ref MessagePackReader reader)
    {
        if (reader.NextMessagePackType != MessagePackType.Binary)
            return reader.ReadString();
        ReadOnlySequence<byte> bytes = reader.ReadBytes()!.Value;
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new PayloadException(CloseReason.TypeMismatch, $"The {bytes.Length} bytes of a BIN where a string belongs are not UTF-8.", e);
        }
    }
}
