using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Soak.Runs;

/// <summary>A server that may have 256 files open, and 400 clients that come and stay, beside ten that ask and are answered (fault 14).</summary>
internal static class FilesRun
{
    private const int Files = 256;
    private const int Crowd = 400;
    private const int Leaving = 300; // the runtime itself has some 90 files open: after 200 the rest of the crowd would take all that is free
    private const int Established = 10;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task RunAsync(TargetTable targets)
    {
        await RunAsync(targets, "the default cap", null).ConfigureAwait(false);
        await RunAsync(targets, "a cap of 10 000", 10_000).ConfigureAwait(false);
    }

    private static async Task RunAsync(TargetTable targets, string name, int? maxConnections)
    {
        using ChildProcess server = await ChildProcess.StartServerWithFewFilesAsync(Files, maxConnections).ConfigureAwait(false);
        var endPoint = new IPEndPoint(IPAddress.Loopback, int.Parse(server.FirstAnswer, CultureInfo.InvariantCulture));
        var ends = new ConcurrentDictionary<string, int>();
        Asker[] established = [.. Enumerable.Range(0, Established).Select(i => new Asker(endPoint, i, ends))];
        await UntilAsync(() => Array.TrueForAll(established, asker => asker.IsConnected)).ConfigureAwait(false);
        var crowd = new List<Socket>();
        for (int i = 0; i < Crowd; i++)
        {
            Socket socket = ResetSockets.New();
            crowd.Add(socket);
            await socket.ConnectAsync(endPoint).ConfigureAwait(false);
            await socket.SendAsync(Traffic.Handshake).ConfigureAwait(false);
        }

        await Task.Delay(5_000).ConfigureAwait(false);
        Console.WriteLine($"{name}: {await server.AskAsync("state").ConfigureAwait(false)}");
        long answered = established.Sum(asker => asker.Answered);
        await Task.Delay(5_000).ConfigureAwait(false);
        answered = established.Sum(asker => asker.Answered) - answered;

        crowd[..Leaving].ForEach(socket => socket.Dispose());
        long left = Stopwatch.GetTimestamp();
        var newEnds = new ConcurrentDictionary<string, int>();
        await using (var next = new Asker(endPoint, Established, newEnds))
            await UntilAsync(() => next.IsConnected).ConfigureAwait(false);
        double served = Stopwatch.GetElapsedTime(left).TotalSeconds;
        Console.WriteLine($"  {answered} answers in 5 s without descriptors; after {Leaving} had left: {await server.AskAsync("state").ConfigureAwait(false)}");
        crowd.ForEach(socket => socket.Dispose());
        targets.AtMost($"{Files} files, {Crowd} clients, {name}: {Leaving} leave, and the next is served after", served, 2, "s");
        targets.Exactly("… established clients that were lost, or had no answer meanwhile", ends.Values.Sum() + (answered >= Established ? 0 : 1), 0);
        targets.Exactly("… processes that died", server.HasExited ? 1 : 0, 0);
        foreach (Asker asker in established)
            await asker.DisposeAsync().ConfigureAwait(false);
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        long begun = Stopwatch.GetTimestamp();
        while (!condition() && Stopwatch.GetElapsedTime(begun) < Patience)
            await Task.Delay(1).ConfigureAwait(false);
    }
}
