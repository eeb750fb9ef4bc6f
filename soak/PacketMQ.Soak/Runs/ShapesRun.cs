using System.Diagnostics;
using System.Net;

namespace PacketMQ.Soak.Runs;

/// <summary>100 clients and 1 000 packets for each, in the four shapes that traffic has (fault 24). Server and clients share this process.</summary>
internal static class ShapesRun
{
    private const int Clients = 100;
    private const int Packets = 1_000;

    public static async Task RunAsync(TargetTable targets)
    {
        await RunAsync(targets, "to the server", (_, _) => default, isForServer: true, FromClientsAsync).ConfigureAwait(false);
        await RunAsync(targets, "from the server", (_, _) => default, isForServer: false, FromServerAsync).ConfigureAwait(false);
        await RunAsync(targets, "there and back", (data, context) => context.ReplyAsync(Traffic.EchoName, data), isForServer: false, FromClientsAsync)
            .ConfigureAwait(false);
        await RunAsync(
            targets, "from client to client", (data, context) =>
            {
                // The id of a server's connection is 1 to 100 here.
                Connection next = context.Peer.GetConnection((context.Connection.Id % Clients) + 1);
                return next.SendAsync(Traffic.EchoName, data);
            }, isForServer: false, FromClientsAsync).ConfigureAwait(false);
    }

    private static Task FromClientsAsync(Server server, Connection[] clients) => Task.WhenAll(clients.Select(connection => Task.Run(async () =>
    {
        for (long number = 0; number < Packets; number++)
            await connection.SendAsync(Traffic.EchoName, Traffic.Make(number, 100)).ConfigureAwait(false);
    })));

    private static async Task FromServerAsync(Server server, Connection[] clients)
    {
        for (long number = 0; number < Packets; number++)
        {
            foreach (Connection connection in server.Connections)
                await connection.SendAsync(Traffic.EchoName, Traffic.Make(number, 100)).ConfigureAwait(false);
        }
    }

    private static async Task RunAsync(
        TargetTable targets, string name, Func<object?, PacketContext, ValueTask> serve, bool isForServer, Func<Server, Connection[], Task> send)
    {
        long[] next = new long[(2 * Clients) + 2];
        int arrived = 0;
        int breaks = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void Take(object? data, PacketContext context)
        {
            // One connection's packets come from one handler at a time.
            if (!Traffic.TryRead(data, out long number) || next[context.Connection.Id]++ != number)
                Interlocked.Increment(ref breaks);
            if (Interlocked.Increment(ref arrived) == Clients * Packets)
                all.SetResult();
        }

        var registry = new PacketRegistry(adaptPacketIds: false);
        registry.AddPacket(Traffic.EchoName, Packet.Create((data, context) =>
        {
            if (isForServer)
                Take(data, context);
            return serve(data, context);
        }), Traffic.EchoId);
        registry.AddPacket(Traffic.FeedName, Packet.Create((_, _) => { }), Traffic.FeedId);
        registry.AddPacket(Traffic.SinkName, Packet.Create((_, _) => { }), Traffic.SinkId);
        registry.AddPacket(Traffic.HoldName, Packet.Create((_, _) => { }), Traffic.HoldId);
        await using var server = new Server(registry);
        EndPoint endPoint = server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using Client client = Children.Child.NewClient(Take);
        Connection[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => client.ConnectAsync(endPoint))).ConfigureAwait(false);
        while (server.Connections.Length < Clients)
            await Task.Delay(1).ConfigureAwait(false);
        long begun = Stopwatch.GetTimestamp();
        await send(server, clients).ConfigureAwait(false);
        await Task.WhenAny(all.Task, Task.Delay(60_000)).ConfigureAwait(false);
        TimeSpan elapsed = Stopwatch.GetElapsedTime(begun);
        targets.AtMost($"100 clients × 1 000 packets, {name}", elapsed.TotalSeconds, 10, "s");
        targets.Exactly("… delivered", arrived, Clients * Packets);
        targets.Exactly("… out of order or spoilt", breaks, 0);
    }
}
