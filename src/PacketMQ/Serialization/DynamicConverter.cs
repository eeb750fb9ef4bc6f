using System.Diagnostics.CodeAnalysis;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Members of typed payloads that are declared as <see cref="object"/>: a dynamic value stands there.</summary>
[SuppressMessage("Usage", "NBMsgPack031", Justification = "DynamicReader and DynamicWriter take the one structure.")]
internal sealed class DynamicConverter : MessagePackConverter<object>
{
    public override object? Read(ref MessagePackReader reader, SerializationContext context) => new DynamicReader().Read(ref reader, context.MaxDepth);

    public override void Write(ref MessagePackWriter writer, in object? value, SerializationContext context)
        => DynamicWriter.Write(ref writer, value, context.MaxDepth);
}
