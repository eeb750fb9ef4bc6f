using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Soak.Runs;

/// <summary>The thread pool of the server process does nothing for 20 s, then that of a client process (fault 19).</summary>
internal static class StarveRun
{
    private const int Askers = 20;
    private const int Silent = 20;
    private const int InsideAPacket = 20;
    private const int Fed = 5;
    private const int Starved = 20;

    public static async Task RunAsync(TargetTable targets)
    {
        await StarveServerAsync(targets).ConfigureAwait(false);
        await StarveClientAsync(targets).ConfigureAwait(false);
    }

    private static async Task StarveServerAsync(TargetTable targets)
    {
        using ChildProcess server = await ChildProcess.StartServerAsync(0).ConfigureAwait(false);
        var endPoint = new IPEndPoint(IPAddress.Loopback, int.Parse(server.FirstAnswer, CultureInfo.InvariantCulture));
        var ends = new ConcurrentDictionary<string, int>();
        Asker[] askers = [.. Enumerable.Range(0, Askers).Select(i => new Asker(endPoint, i, ends))];
        await using Client client = Children.Child.NewClient();
        await using Client patient = Children.Child.NewClient(options: new PeerOptions { MinReceiveRate = null });
        foreach (Client one in new[] { client, patient })
            one.ConnectionLost += (_, lost) => ends.AddOrUpdate($"{lost.CloseInfo.Reason.Name} ({lost.CloseInfo.Initiator})", 1, (_, count) => count + 1);
        await ConnectAsync(client, endPoint, Silent).ConfigureAwait(false);
        Connection[] fed = await ConnectAsync(patient, endPoint, Fed).ConfigureAwait(false);
        await using Client strict = Children.Child.NewClient();
        Connection[] strictlyFed = await ConnectAsync(strict, endPoint, Fed).ConfigureAwait(false);
        Socket[] inside = await Task.WhenAll(Enumerable.Range(0, InsideAPacket).Select(_ => BeginPacketAsync(endPoint))).ConfigureAwait(false);
        await Task.Delay(2_000).ConfigureAwait(false);

        // Each is sent 120 MB, and takes them as fast as they come. A packet of which they have a part then stands still for them too.
        foreach (Connection connection in fed.Concat(strictlyFed))
            await connection.SendAsync(Traffic.FeedName, null).ConfigureAwait(false);
        Task<string> starving = server.AskAsync($"starve {Starved}");
        await Task.Delay(1_000).ConfigureAwait(false);
        foreach (Socket socket in inside)
            await socket.SendAsync(EndOfPacket).ConfigureAwait(false); // it is all there now, if only somebody looked
        await Task.Delay(TimeSpan.FromSeconds(Starved - 2)).ConfigureAwait(false);
        long answered = askers.Sum(asker => asker.Answered);
        int lostMeanwhile = ends.Values.Sum();
        string stoodStill = await starving.ConfigureAwait(false);
        long over = Stopwatch.GetTimestamp();
        while (askers.Sum(asker => asker.Answered) < answered + (2 * Askers) && Stopwatch.GetElapsedTime(over).TotalSeconds < 30)
            await Task.Delay(1).ConfigureAwait(false);
        double back = Stopwatch.GetElapsedTime(over).TotalSeconds;
        await Task.Delay(5_000).ConfigureAwait(false);
        int insideLost = inside.Count(socket => !HasAnswered(socket));
        Console.WriteLine($"server starved: an item of its pool waited {stoodStill} s; {await server.AskAsync("state").ConfigureAwait(false)}");
        Console.WriteLine($"the clients lost: {RestartRun.Text(ends)}");
        foreach (CloseInfo end in strictlyFed.Where(connection => connection.Closed.IsCompleted).Select(connection => connection.Closed.Result))
            Console.WriteLine($"one that was sent a packet, and has the default MinReceiveRate: {end}");
        targets.Exactly($"thread pool of the server starved for {Starved} s: clients that were lost meanwhile", lostMeanwhile, 0);
        targets.AtMost("… answers come again after", back, 2, "s");
        targets.Exactly("… clients that were lost in the end", ends.Values.Sum(), 0);
        targets.Exactly("… clients inside a packet that were lost or not answered", insideLost, 0);
        targets.Exactly("… broken invariants", server.Complaints, 0);
        foreach (Asker asker in askers)
            await asker.DisposeAsync().ConfigureAwait(false);
        foreach (Socket socket in inside)
            socket.Dispose();
    }

    private static async Task StarveClientAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        using ChildProcess clients = await ChildProcess.StartAsync("open", server.EndPoint, Silent + Fed).ConfigureAwait(false);
        await clients.AskAsync("open").ConfigureAwait(false);
        await Task.Delay(2_000).ConfigureAwait(false);
        Connection[] fed = [.. server.Peer.Connections.Take(Fed)];
        Task<string> starving = clients.AskAsync($"starve {Starved}");
        long begun = Stopwatch.GetTimestamp();

        // A packet now and then, less than the kernel takes.
        while (Stopwatch.GetElapsedTime(begun).TotalSeconds < Starved - 1)
        {
            foreach (Connection connection in fed)
                await connection.SendAsync(Traffic.FeedName, new byte[1_000]).ConfigureAwait(false);
            await Task.Delay(100).ConfigureAwait(false);
        }

        int lostMeanwhile = server.Lost;
        string stoodStill = await starving.ConfigureAwait(false);
        await Task.Delay(5_000).ConfigureAwait(false);
        Console.WriteLine($"clients starved: an item of their pool waited {stoodStill} s; they have {await clients.AskAsync("count").ConfigureAwait(false)}");
        targets.Exactly($"thread pool of a client process starved for {Starved} s: connections that were lost meanwhile", lostMeanwhile, 0);
        targets.Exactly("… connections that were lost in the end", server.Lost, 0);
    }

    private static Task<Connection[]> ConnectAsync(Client client, IPEndPoint server, int count)
        => Task.WhenAll(Enumerable.Range(0, count).Select(_ => client.ConnectAsync(server)));

    private static byte[] Packet => Traffic.Frame(Traffic.EchoId, [0x92, 0, 0xc5, 0x04, 0, .. new byte[0x400]]);

    private static byte[] EndOfPacket => Packet[100..];

    private static async Task<Socket> BeginPacketAsync(IPEndPoint server)
    {
        Socket socket = ResetSockets.New();
        await socket.ConnectAsync(server).ConfigureAwait(false);
        await socket.SendAsync((byte[])[.. Traffic.Handshake, .. Packet[..100]]).ConfigureAwait(false);
        return socket;
    }

    // The handshake of the server, then the packet as it was sent, and nothing behind it.
    private static bool HasAnswered(Socket socket)
    {
        byte[] bytes = new byte[16_384];
        int count = socket.Available == 0 ? 0 : socket.Receive(bytes);
        return bytes.AsSpan(0, count).EndsWith(Packet);
    }
}
