namespace PacketMQ.Samples.Snippets;

internal static class FromPython
{
    public static async Task RunAsync()
    {
        // <from-python-modules>
        static PacketRegistry Register(bool adaptPacketIds)
        {
            var registry = new PacketRegistry(adaptPacketIds);
            registry.AddPacket("myapplication:mypacket", new EchoPacket("myapplication:myprintpacket"), 17);
            registry.AddPacket("myapplication:myprintpacket", new PrintPacket(), 18);
            return registry;
        }
        // </from-python-modules>

        await using var server = new MemoryServer(Register(adaptPacketIds: false));
        await using var client = new MemoryClient(Register(adaptPacketIds: true));
        await client.ConnectAsync(server);

        // <from-python-strings>
        await client.SendAsync("myapplication:mypacket", "text");            // STR: Python sees unicode
        await client.SendAsync("myapplication:mypacket", "text"u8.ToArray()); // BIN: Python sees str
        // </from-python-strings>
    }
}
