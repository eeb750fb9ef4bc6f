using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>
/// Stands for a type of the serializer that must not take what a peer sends: its extension points into the payload's buffer, which
/// is used again for other packets; its dynamic value does so too, and a peer can aim at collisions in its maps.
/// </summary>
internal sealed class RefusingConverter<T>(string instead) : MessagePackConverter<T>
{
    public override T Read(ref MessagePackReader reader, SerializationContext context) => throw Refusal();

    public override void Write(ref MessagePackWriter writer, in T? value, SerializationContext context) => throw Refusal();

    private NotSupportedException Refusal() => new($"A {typeof(T)} is not supported in a packet; declare the member as {instead}.");
}
