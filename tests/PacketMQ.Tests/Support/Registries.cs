namespace PacketMQ.Tests.Support;

/// <summary>Registries of the two sides of a connection, with different ids, so that every test adapts them.</summary>
internal static class Registries
{
    public const string Name = "test:packet";

    public static PacketRegistry Server(params (string Name, Packet Packet)[] packets) => Make(false, 17, packets);

    public static PacketRegistry Client(params (string Name, Packet Packet)[] packets) => Make(true, 1_000, packets);

    public static PacketRegistry Server(Packet packet) => Server((Name, packet));

    public static PacketRegistry Client(Packet packet) => Client((Name, packet));

    /// <summary>A packet that only sends.</summary>
    public static Packet Sink() => Packet.Create((_, _) => { });

    public static PacketRegistry Make(bool adapts, int firstId, params (string Name, Packet Packet)[] packets)
    {
        var registry = new PacketRegistry(adapts);
        foreach ((string name, Packet packet) in packets)
            registry.AddPacket(name, packet, firstId++);
        return registry;
    }
}
