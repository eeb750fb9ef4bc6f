using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Soak.Runs;

/// <summary>A server whose managed heap may have 64 MB, under a crowd that fills what it is allowed to fill (fault 15).</summary>
internal static class HeapRun
{
    private const long HeapLimit = 64 * 1_024 * 1_024;
    private const int Askers = 20;

    private static readonly TimeSpan Length = TimeSpan.FromSeconds(20);

    private static readonly (string Name, int Connections, byte[] First, byte[] Then)[] Crowds =
    [
        ("100 frames of 1 MiB that stay incomplete", 100, [.. Traffic.Handshake, .. Half()], Slow),
        ("100 connections with packets of 1 MiB", 100, Traffic.Handshake, Traffic.Frame(Traffic.SinkId, [0xc6, 0, 0x0f, 0xff, 0xf0, .. new byte[0xffff0]])),
        ("30 connections with packets of 21 000 maps", 30, Traffic.Handshake, Traffic.Frame(Traffic.SinkId, Maps())),
        ("150 slow handlers that hold 21 000 maps each", 150, Traffic.Handshake, Traffic.Frame(Traffic.HoldId, Maps())),
    ];

    // A byte now and then, so that the frame does not stand still.
    private static byte[] Slow => new byte[1_024];

    public static async Task RunAsync(TargetTable targets)
    {
        foreach (var (name, connections, first, rest) in Crowds)
        {
            using ChildProcess server = await ChildProcess.StartServerAsync(0, HeapLimit).ConfigureAwait(false);
            var endPoint = new IPEndPoint(IPAddress.Loopback, int.Parse(server.FirstAnswer, CultureInfo.InvariantCulture));
            var ends = new ConcurrentDictionary<string, int>();
            Asker[] askers = [.. Enumerable.Range(0, Askers).Select(i => new Asker(endPoint, i, ends))];
            while (!Array.TrueForAll(askers, asker => asker.IsConnected))
                await Task.Delay(10).ConfigureAwait(false);
            using var end = new CancellationTokenSource(Length);
            long sent = 0;
            int begun = 0;
            await Task.WhenAll(Enumerable.Range(0, connections).Select(_ => Task.Run(async () =>
            {
                while (!end.IsCancellationRequested && !server.HasExited)
                {
                    Interlocked.Increment(ref begun);
                    using Socket socket = ResetSockets.New();
                    try
                    {
                        await socket.ConnectAsync(endPoint, end.Token).ConfigureAwait(false);
                        Interlocked.Add(ref sent, await socket.SendAsync(first, end.Token).ConfigureAwait(false));
                        while (true)
                        {
                            Interlocked.Add(ref sent, await socket.SendAsync(rest, end.Token).ConfigureAwait(false));
                            if (rest.Length == Slow.Length)
                                await Task.Delay(500, end.Token).ConfigureAwait(false);
                        }
                    }
                    catch (Exception exception) when (exception is SocketException or OperationCanceledException)
                    {
                        // Closed, or the end.
                    }
                }
            }))).ConfigureAwait(false);

            bool isAlive = !server.HasExited;
            Console.WriteLine($"{name}: {sent / 1_000_000} MB in {begun} connections; {(isAlive ? await server.AskAsync("state").ConfigureAwait(false) : $"the process died, exit code {server.ExitCode}")}");
            Console.WriteLine($"  the established clients got {askers.Sum(asker => asker.Answered)} answers and lost {RestartRun.Text(ends)}");
            targets.Exactly($"heap of 64 MB, {name}: processes that died", isAlive ? 0 : 1, 0);
            targets.Exactly("… small established clients that were lost", ends.Values.Sum(), 0);
            foreach (Asker asker in askers)
                await asker.DisposeAsync().ConfigureAwait(false);
        }
    }

    private static byte[] Half() => [0, 0x0f, 0xff, 0xf7, 0, (byte)Traffic.SinkId, 0xc6, 0, 0x0f, 0xff, 0xf0, .. new byte[900_000]];

    private static byte[] Maps() => [0xdc, 0x52, 0x08, .. Enumerable.Repeat<byte[]>([0x81, 0x01, 0x02], 21_000).SelectMany(piece => piece)];
}
