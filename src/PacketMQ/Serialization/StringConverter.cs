using System.Diagnostics.CodeAnalysis;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Strings of typed payloads: STR out, STR or BIN in.</summary>
[SuppressMessage("Usage", "NBMsgPack031", Justification = "Utf8Text reads and writes the one structure.")]
internal sealed class StringConverter : MessagePackConverter<string>
{
    public override string? Read(ref MessagePackReader reader, SerializationContext context) => Utf8Text.Read(ref reader);

    public override void Write(ref MessagePackWriter writer, in string? value, SerializationContext context)
    {
        if (value is null)
            writer.WriteNil();
        else if (!Utf8Text.TryWrite(ref writer, value))
            throw new PacketException($"The string {ValueFormatter.Format(value, 64)} has half of a surrogate pair; UTF-8 has no bytes for it.");
    }
}
