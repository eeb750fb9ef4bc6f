namespace PacketMQ.Samples.Snippets;

internal static class GettingStarted
{
    public static async Task RunAsync()
    {
        LookUp();
        var started = new TaskCompletionSource<Server>();
        Task serving = ServeAsync(started);
        await ConverseAsync();
        await (await started.Task).StopAsync();
        await serving;
    }

    private static void LookUp()
    {
        // <getting-started-registry>
        var registry = new PacketRegistry();
        int init = registry.GetId("packetmq:handshake_init"); // 0: the protocol's own four are always there
        string name = registry.GetName(0);                    // "packetmq:handshake_init"

        var print = new PrintPacket();
        registry.AddPacket("myapplication:myprintpacket", print, 18);
        int id = registry.GetId(print);                       // 18
        // </getting-started-registry>
        Check.That(init == 0 && name == "packetmq:handshake_init" && id == 18);
    }

    private static async Task ServeAsync(TaskCompletionSource<Server> started)
    {
        // <getting-started-server>
        var registry = new PacketRegistry();
        registry.AddPacket("myapplication:mypacket", new EchoPacket("myapplication:myprintpacket"), 17);
        registry.AddPacket("myapplication:myprintpacket", new PrintPacket(), 18);

        await using var server = new Server(registry);
        server.ConnectionMade += (_, e) => Console.WriteLine($"made: {e.Connection}");
        server.ConnectionLost += (_, e) => Console.WriteLine($"lost: {e.CloseInfo}");
        server.Listen(12345);
        // </getting-started-server>
        started.SetResult(server);
        // <getting-started-run>
        await server.RunAsync(); // until StopAsync is called; server.Run() does the same and blocks
        // </getting-started-run>
    }

    private static async Task ConverseAsync()
    {
        // <getting-started-client>
        var registry = new PacketRegistry(adaptPacketIds: true);
        registry.AddPacket("myapplication:mypacket", new EchoPacket("myapplication:myprintpacket"), 17);
        registry.AddPacket("myapplication:myprintpacket", new PrintPacket(), 18);

        await using var client = new Client(registry);
        Connection connection = await client.ConnectAsync("localhost", 12345); // active now
        // </getting-started-client>

        // <getting-started-send>
        var value = new Dictionary<object, object?>
        {
            ["foo"] = "bar",
            [123] = null,
            [0.001] = true,
            ["mylist"] = new[] { "abc", "def" },
        };
        await client.SendAsync("myapplication:mypacket", value);
        Console.ReadLine(); // the echo is printed meanwhile
        // </getting-started-send>

        // <getting-started-end>
        await connection.SoftQuitAsync();
        // </getting-started-end>
    }
}
