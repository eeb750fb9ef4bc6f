using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace PacketMQ.Soak.Runs;

/// <summary>
/// A server process is killed with kill -9 and started again on the same port, 20 times, under 100 clients that ask and come back by
/// themselves, and ten that say nothing (fault 4, without the reconnecting that the library does not have yet).
/// </summary>
internal static class RestartRun
{
    private const int Kills = 20;
    private const int Clients = 100;
    private const int Silent = 10;

    public static async Task RunAsync(TargetTable targets)
    {
        ChildProcess server = await ChildProcess.StartServerAsync(0).ConfigureAwait(false);
        var endPoint = new IPEndPoint(IPAddress.Loopback, int.Parse(server.FirstAnswer, CultureInfo.InvariantCulture));
        var ends = new ConcurrentDictionary<string, int>();
        var silentEnds = new ConcurrentDictionary<string, int>();
        Asker[] clients = [.. Enumerable.Range(0, Clients).Select(i => new Asker(endPoint, i, ends))];
        await using Client silent = Children.Child.NewClient();
        double longestNotice = 0;
        double longestReturn = 0;
        for (int i = 0; i < Kills; i++)
        {
            await UntilAsync(() => Array.TrueForAll(clients, client => client.IsConnected)).ConfigureAwait(false);
            Connection[] quiet = await Task.WhenAll(Enumerable.Range(0, Silent).Select(_ => silent.ConnectAsync(endPoint))).ConfigureAwait(false);
            long killed = Stopwatch.GetTimestamp();
            await server.KillAsync().ConfigureAwait(false);
            await UntilAsync(() => Array.TrueForAll(clients, client => client.LastEnd > killed)).ConfigureAwait(false);
            longestNotice = Math.Max(longestNotice, clients.Max(client => Stopwatch.GetElapsedTime(killed, client.LastEnd).TotalSeconds));
            foreach (Connection connection in quiet)
            {
                CloseInfo end = await connection.Closed.WaitAsync(TimeSpan.FromSeconds(60)).ConfigureAwait(false);
                silentEnds.AddOrUpdate($"{end.Reason.Name} ({end.Initiator})", 1, (_, count) => count + 1);
            }

            longestNotice = Math.Max(longestNotice, Stopwatch.GetElapsedTime(killed).TotalSeconds);
            server.Dispose();
            server = await ChildProcess.StartServerAsync(endPoint.Port).ConfigureAwait(false);
            long started = Stopwatch.GetTimestamp();
            await UntilAsync(() => Array.TrueForAll(clients, client => client.IsConnected)).ConfigureAwait(false);
            longestReturn = Math.Max(longestReturn, Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        Console.WriteLine($"{clients.Sum(client => client.Answered)} answers; the asking clients saw {Text(ends)}; the silent ones {Text(silentEnds)}");
        int killsSeen = ends.Values.Sum();
        foreach (Asker client in clients)
            await client.DisposeAsync().ConfigureAwait(false);
        Console.WriteLine($"the last server: {await server.AskAsync("state").ConfigureAwait(false)}");
        server.Dispose();
        targets.AtMost($"{Kills} × kill -9 of the server process: the last of 110 clients knew it after", longestNotice, 1, "s");
        targets.Exactly("… ends that the asking clients saw", killsSeen, Kills * Clients);
        targets.Exactly("… ends that the silent clients saw", silentEnds.Values.Sum(), Kills * Silent);
        targets.AtMost("… all clients were back and answered, after the new process listened", longestReturn, 30, "s");
    }

    public static string Text(ConcurrentDictionary<string, int> counts)
        => string.Join(", ", counts.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key} {pair.Value}"));

    private static async Task UntilAsync(Func<bool> condition)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(begun).TotalSeconds > 60)
                throw new TimeoutException("The clients did not see or do within 60 s what they should.");
            await Task.Delay(1).ConfigureAwait(false);
        }
    }
}
