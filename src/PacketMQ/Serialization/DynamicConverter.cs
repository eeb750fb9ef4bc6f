using System.Diagnostics.CodeAnalysis;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Members of typed payloads that are declared as <see cref="object"/>: a dynamic value stands there.</summary>
[SuppressMessage("Usage", "NBMsgPack031", Justification = "DynamicReader and DynamicWriter take the one structure.")]
internal sealed class DynamicConverter : MessagePackConverter<object>
{
    public override object? Read(ref MessagePackReader reader, SerializationContext context)
    {
        var values = new DynamicReader(TypedAllowance.Current);
        object? value = values.Read(ref reader, context.MaxDepth);
        TypedAllowance.Current = values.Allowance;
        return value;
    }

    public override void Write(ref MessagePackWriter writer, in object? value, SerializationContext context)
        => DynamicWriter.Write(ref writer, value, context.MaxDepth);
}
