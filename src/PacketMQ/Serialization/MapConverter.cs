using System.Diagnostics.CodeAnalysis;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Members of typed payloads that are a <see cref="PacketMap"/>: a dynamic value that is a map.</summary>
[SuppressMessage("Usage", "NBMsgPack031", Justification = "DynamicConverter takes the one structure.")]
internal sealed class MapConverter : MessagePackConverter<PacketMap>
{
    private static readonly DynamicConverter Any = new();

    public override PacketMap? Read(ref MessagePackReader reader, SerializationContext context)
        => reader.NextMessagePackType is MessagePackType.Map or MessagePackType.Nil
            ? (PacketMap?)Any.Read(ref reader, context)
            : throw new PayloadException(
                CloseReason.TypeMismatch, $"A value of the msgpack type {reader.NextMessagePackType} stands where a map is expected.");

    public override void Write(ref MessagePackWriter writer, in PacketMap? value, SerializationContext context)
        => Any.Write(ref writer, value, context);
}
