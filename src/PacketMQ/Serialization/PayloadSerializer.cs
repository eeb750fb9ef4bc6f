using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>The one configuration that typed payloads are read and written with. Its converters are made once per type and shared.</summary>
internal static class PayloadSerializer
{
    // The library's defaults that matter here, so that nobody changes them unawares: maps with the names as declared, hash-flooding
    // resistant comparers, a missing, null or repeated field is an error, no type names in the data.
    public static readonly MessagePackSerializer Instance = new()
    {
        StartingContext = new SerializationContext { MaxDepth = 64, Security = SecuritySettings.UntrustedData },
        Converters =
        [
            new StringConverter(),
            new DynamicConverter(),
            new MapConverter(),
            new ExtensionConverter(),
            new RefusingConverter<Extension>("PacketExtension"),
            new RefusingConverter<MessagePackValue>("object"),
        ],
    };
}
