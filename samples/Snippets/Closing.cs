namespace PacketMQ.Samples.Snippets;

internal static class Closing
{
    public static async Task RunAsync()
    {
        var goodbye = new TaskCompletionSource<object?>();
        var registry = new PacketRegistry();
        registry.AddPacket("myapplication:goodbye", Packet.Create((data, _) => goodbye.TrySetResult(data)), 17);
        await using var server = new MemoryServer(registry);
        var clientRegistry = new PacketRegistry(adaptPacketIds: true);
        clientRegistry.AddPacket("myapplication:goodbye", Packet.Create((_, _) => { }), 17);
        await using var client = new MemoryClient(clientRegistry);
        Connection connection = await client.ConnectAsync(server);

        // <closing-last-packet>
        client.ConnectionLost += (_, e) => _ = e.Connection.SendAsync("myapplication:goodbye", "it was nice").AsTask();
        // </closing-last-packet>

        // <closing-softquit>
        await connection.SoftQuitAsync("reason.goodbye");   // completes when the connection has ended
        CloseInfo end = await connection.Closed;            // reason.goodbye (Local): This side quit.
        // </closing-softquit>
        Check.That(end.Reason == new CloseReason("reason.goodbye") && (string?)await goodbye.Task == "it was nice");

        PacketKey packet = "myapplication:goodbye";
        object? data = null;
        // <closing-exceptions>
        try
        {
            await connection.SendAsync(packet, data);
        }
        catch (PacketException exception)
        {
            Console.WriteLine($"not sent, the connection goes on: {exception.Message}");
        }
        catch (ConnectionClosedException exception)
        {
            Console.WriteLine($"the connection has ended: {exception.CloseInfo}");
        }
        // </closing-exceptions>

        await using var stranger = new MemoryClient(new PacketRegistry(adaptPacketIds: true));
        // <closing-refused>
        try
        {
            await stranger.ConnectAsync(server);
        }
        catch (ConnectionClosedException exception) when (exception.CloseInfo.Reason == CloseReason.NonEqualPackets)
        {
            Console.WriteLine($"only the server has: {string.Join(", ", exception.CloseInfo.MissingHere)}");
            Console.WriteLine($"only we have: {string.Join(", ", exception.CloseInfo.MissingThere)}");
        }
        // </closing-refused>
        Check.That(stranger.Connections.IsEmpty);
    }
}
