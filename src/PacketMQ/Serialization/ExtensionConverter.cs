using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Members of typed payloads that are a <see cref="PacketExtension"/>: an extension on the wire, not a map of its two properties.</summary>
[SuppressMessage("Usage", "NBMsgPack031", Justification = "DynamicWriter writes the one structure.")]
internal sealed class ExtensionConverter : MessagePackConverter<PacketExtension>
{
    public override PacketExtension Read(ref MessagePackReader reader, SerializationContext context)
    {
        Extension extension = reader.ReadExtension();
        return new PacketExtension(extension.TypeCode, extension.Data.ToArray());
    }

    public override void Write(ref MessagePackWriter writer, in PacketExtension value, SerializationContext context)
        => DynamicWriter.Write(ref writer, value, context.MaxDepth);
}
