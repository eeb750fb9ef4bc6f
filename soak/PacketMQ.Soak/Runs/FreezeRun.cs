using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace PacketMQ.Soak.Runs;

/// <summary>The server process is frozen for 60 s (SIGSTOP) and woken, then a client process (fault 18).</summary>
internal static class FreezeRun
{
    private const int Askers = 20;
    private const int Silent = 20;
    private const int Flooders = 5;

    private static readonly TimeSpan Frozen = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(TargetTable targets)
    {
        await FreezeServerAsync(targets).ConfigureAwait(false);
        await FreezeClientAsync(targets).ConfigureAwait(false);
    }

    private static async Task FreezeServerAsync(TargetTable targets)
    {
        using ChildProcess server = await ChildProcess.StartServerAsync(0).ConfigureAwait(false);
        var endPoint = new IPEndPoint(IPAddress.Loopback, int.Parse(server.FirstAnswer, CultureInfo.InvariantCulture));
        var ends = new ConcurrentDictionary<string, int>();
        Asker[] askers = [.. Enumerable.Range(0, Askers).Select(i => new Asker(endPoint, i, ends))];
        await using Client client = Children.Child.NewClient();
        Connection[] silent = await ConnectAsync(client, endPoint, Silent).ConfigureAwait(false);
        Connection[] flooding = await ConnectAsync(client, endPoint, Flooders).ConfigureAwait(false);
        await Task.Delay(2_000).ConfigureAwait(false);

        server.Freeze();
        long begun = Stopwatch.GetTimestamp();
        byte[] piece = new byte[60_000];
        double[] given = await Task.WhenAll(flooding.Select(connection => Task.Run(async () =>
        {
            try
            {
                while (true)
                    await connection.SendAsync(Traffic.SinkName, piece).ConfigureAwait(false);
            }
            catch (ConnectionClosedException)
            {
                return Stopwatch.GetElapsedTime(begun).TotalSeconds;
            }
        }))).ConfigureAwait(false);
        string floodEnds = string.Join(", ", flooding.Select(connection => connection.Closed).Where(closed => closed.IsCompleted).Select(closed => $"{closed.Result.Reason}").Distinct());
        await Task.Delay(Frozen - Stopwatch.GetElapsedTime(begun)).ConfigureAwait(false);
        long answered = askers.Sum(asker => asker.Answered);
        int lostMeanwhile = ends.Values.Sum() + silent.Count(connection => connection.Closing.IsCancellationRequested);
        server.Wake();
        long woken = Stopwatch.GetTimestamp();
        while (askers.Sum(asker => asker.Answered) < answered + (2 * Askers) && Stopwatch.GetElapsedTime(woken).TotalSeconds < 30)
            await Task.Delay(1).ConfigureAwait(false);
        double back = Stopwatch.GetElapsedTime(woken).TotalSeconds;
        await Task.Delay(5_000).ConfigureAwait(false);
        Console.WriteLine($"server frozen: who went on sending gave up after {given.Min():0.0} to {given.Max():0.0} s as {floodEnds}");
        Console.WriteLine($"5 s after waking, the server: {await server.AskAsync("state").ConfigureAwait(false)}; the asking clients lost: {RestartRun.Text(ends)}");
        targets.AtMost("server frozen for 60 s: who sends more than fits gives up after", given.Max(), 15, "s");
        targets.Exactly("… asking and silent clients that were lost meanwhile", lostMeanwhile, 0);
        targets.AtMost("… answers come again, after waking", back, 2, "s");
        targets.Exactly("… asking and silent clients that were lost in the end", ends.Values.Sum() + silent.Count(connection => connection.Closing.IsCancellationRequested), 0);
        foreach (Asker asker in askers)
            await asker.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task FreezeClientAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        using ChildProcess quiet = await ChildProcess.StartAsync("open", server.EndPoint, Silent).ConfigureAwait(false);
        using ChildProcess fed = await ChildProcess.StartAsync("open", server.EndPoint, Flooders).ConfigureAwait(false);
        await quiet.AskAsync("open").ConfigureAwait(false);
        HashSet<Connection> silent = [.. server.Peer.Connections];
        await fed.AskAsync("open").ConfigureAwait(false);
        Connection[] feeding = [.. server.Peer.Connections.Where(connection => !silent.Contains(connection))];
        quiet.Freeze();
        fed.Freeze();
        long begun = Stopwatch.GetTimestamp();
        byte[] piece = new byte[60_000];
        double[] given = await Task.WhenAll(feeding.Select(connection => Task.Run(async () =>
        {
            try
            {
                while (true)
                    await connection.SendAsync(Traffic.FeedName, piece).ConfigureAwait(false);
            }
            catch (ConnectionClosedException)
            {
                return Stopwatch.GetElapsedTime(begun).TotalSeconds;
            }
        }))).ConfigureAwait(false);
        await Task.Delay(Frozen - Stopwatch.GetElapsedTime(begun)).ConfigureAwait(false);
        int silentLeft = server.Peer.Connections.Count(silent.Contains);
        quiet.Wake();
        fed.Wake();
        await Task.Delay(5_000).ConfigureAwait(false);
        int silentAfter = server.Peer.Connections.Count(silent.Contains);
        Console.WriteLine($"clients frozen: {server.Reasons}; 5 s after waking, the fed process has {await fed.AskAsync("count").ConfigureAwait(false)}");
        targets.AtMost("clients frozen for 60 s: those that were sent more than fits are given up after", given.Max(), 15, "s");
        targets.Exactly("… silent ones that were lost meanwhile", Silent - silentLeft, 0);
        targets.Exactly("… silent ones that were lost after waking", Silent - silentAfter, 0);
        targets.Exactly("… reasons for each connection that was lost", server.Lost, Flooders);
    }

    private static Task<Connection[]> ConnectAsync(Client client, IPEndPoint server, int count)
        => Task.WhenAll(Enumerable.Range(0, count).Select(_ => client.ConnectAsync(server)));
}
