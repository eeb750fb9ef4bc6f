namespace PacketMQ.Tests.Conformance;

/// <summary>Registries like those of the recorded peers: the documented pair of packets, and what else their id maps list.</summary>
internal static class RecordedRegistry
{
    public const int EchoId = 17;
    public const int ReplyId = 18;
    public const string EchoName = "myapplication:mypacket";
    public const string ReplyName = "myapplication:myprintpacket";

    /// <summary>The id map that a recorded server without one would have sent.</summary>
    public static byte[] ServerIdMap { get; } = WireBytes.IdMap(adapt: false, (EchoName, EchoId), (ReplyName, ReplyId));

    /// <summary>A registry like the side's recorded id map; without one, with the given or the documented packets.</summary>
    public static PacketRegistry For(Conversation conversation, Side side, (string Name, int Id)[]? packets, Action onArrival)
    {
        byte[]? idMap = conversation.WrittenBy(side).FirstOrDefault(frame => WireBytes.IdOf(frame) == WireBytes.IdMapId);
        (bool adapt, List<(string Name, int Id)> entries) = idMap is not null
            ? WireBytes.ReadIdMap(idMap)
            : (side == Side.Client, [.. packets ?? [(EchoName, side == Side.Client ? 40 : EchoId), (ReplyName, side == Side.Client ? 41 : ReplyId)]]);
        var registry = new PacketRegistry(adapt);
        foreach ((string name, int id) in entries.Where(entry => entry.Id > WireBytes.FinishId))
        {
            Packet packet = side == Side.Server && name == EchoName
                ? new EchoPacket(ReplyName, TextWriter.Null)
                : Packet.Create((_, _) => onArrival());
            registry.AddPacket(name, packet, id);
        }

        return registry;
    }
}
