using PolyType;

namespace PacketMQ.Samples.Chat;

/// <summary>What the two sides say to each other: the names, ids and types, in one place that both compile.</summary>
internal static class ChatPackets
{
    public const int DefaultPort = 12345;

    // From the client.
    public const string Nick = "chat:nick";
    public const string Say = "chat:say";
    public const string Act = "chat:act";
    public const string Whisper = "chat:whisper";
    public const string Who = "chat:who";

    // From the server.
    public const string Message = "chat:message";
    public const string Notice = "chat:notice";
    public const string Present = "chat:present";

    private static readonly string[] Names = [Nick, Say, Act, Whisper, Who, Message, Notice, Present];

    /// <summary>Registers all packets in one order; those that <paramref name="handled"/> lacks can only be sent.</summary>
    public static PacketRegistry Register(bool adaptPacketIds, Dictionary<string, Packet> handled)
    {
        var registry = new PacketRegistry(adaptPacketIds);
        for (int i = 0; i < Names.Length; i++)
            registry.AddPacket(Names[i], handled.GetValueOrDefault(Names[i]) ?? ForSending(Names[i]), PacketRegistry.MinPacketId + i);
        return registry;
    }

    private static Packet ForSending(string name) => name switch
    {
        Whisper => new Packet<WhisperLine>(),
        Message => new Packet<ChatMessage>(),
        Present => new Packet<string[]>(),
        Who => new Packet<bool>(),
        _ => new Packet<string>(),
    };
}

/// <summary>A private line to one other person.</summary>
[GenerateShape]
internal sealed partial record WhisperLine
{
    public required string To { get; init; }

    public required string Text { get; init; }
}

/// <summary>Something that somebody said, did or whispered.</summary>
[GenerateShape]
internal sealed partial record ChatMessage
{
    public required string From { get; init; }

    public required string Text { get; init; }

    /// <summary><c>say</c>, <c>act</c> or <c>whisper</c>.</summary>
    public required string Kind { get; init; }
}
