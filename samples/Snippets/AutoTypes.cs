namespace PacketMQ.Samples.Snippets;

internal static class AutoTypes
{
    public static async Task RunAsync()
    {
        // <auto-types-registry>
        var registry = new PacketRegistry();
        var print = new PrintPacket();
        registry.AddPacket("myapplication:mypacket", print, 17);

        registry.GetPacket(print);                    // the object
        registry.GetPacket("myapplication:mypacket"); // the same object
        registry.GetPacket(17);                       // the same object

        registry.GetName(print);                      // "myapplication:mypacket", from any of the three
        registry.GetId("myapplication:mypacket");     // 17, from any of the three

        registry.TryGetId("myapplication:other", out _); // false; GetId throws KeyNotFoundException
        // </auto-types-registry>
        PacketKey[] keys = [print, "myapplication:mypacket", 17];
        Check.That(keys.All(key => registry.GetPacket(key) == print && registry.GetName(key) == "myapplication:mypacket" && registry.GetId(key) == 17));

        await using var server = new MemoryServer(registry);
        var clientRegistry = new PacketRegistry(adaptPacketIds: true);
        clientRegistry.AddPacket("myapplication:mypacket", new PrintPacket(), 17);
        await using var client = new MemoryClient(clientRegistry);
        await client.ConnectAsync(server);
        object? data = "hello";
        // <auto-types-connection>
        Connection connection = server.Connections[0];
        long id = server.GetConnectionId(connection);  // connection.Id
        server.GetConnection(id);                      // the same connection; KeyNotFoundException once it has ended

        await server.SendAsync("myapplication:mypacket", data, to: id);
        await server.SendAsync(print, data, to: connection);
        await server.SendAsync(17, data, to: connection);
        await connection.SendAsync(17, data);          // the shortest way
        // </auto-types-connection>
        Check.That(server.GetConnection(id) == connection);
    }
}
