using System.Globalization;

namespace PacketMQ.Soak.Runs;

/// <summary>
/// TLS hellos at twice the rate at which the server can answer them, for 10 s, beside ten established clients (fault 21). All share the
/// processors, so the same flood goes elsewhere at first.
/// </summary>
internal static class TlsFloodRun
{
    private static readonly TimeSpan Slow = TimeSpan.FromMilliseconds(20);

    private static int _computing;
    private static int _mostComputing;
    private static volatile bool _isSlow;

    public static async Task RunAsync(TargetTable targets)
    {
        var certificate = new SoakCertificate();
        TlsOptions tls = certificate.ForServer(OnHandshake);
        await using var server = new SoakServer(new PeerOptions { Tls = tls });
        using ChildProcess probe = await ChildProcess.StartAsync("probe", server.EndPoint, certificate).ConfigureAwait(false);
        using ChildProcess flood = await ChildProcess.StartAsync("tls-flood", server.EndPoint).ConfigureAwait(false);
        using ChildProcess sink = await ChildProcess.StartAsync("sink", server.EndPoint, new PeerOptions().MaxPendingHandshakes!.Value).ConfigureAwait(false);
        await Task.Delay(2_000).ConfigureAwait(false);
        double capacity = await NumberAsync(flood, "capacity").ConfigureAwait(false);
        await probe.AskAsync("p99").ConfigureAwait(false);
        await Task.Delay(5_000).ConfigureAwait(false);
        double usual = await NumberAsync(probe, "p99").ConfigureAwait(false);

        // What the flood costs the established clients even when it goes past the server, to a process that computes nothing.
        string go = string.Create(CultureInfo.InvariantCulture, $"go {2 * capacity:0}");
        await flood.AskAsync($"at {sink.FirstAnswer}").ConfigureAwait(false);
        await probe.AskAsync("p99").ConfigureAwait(false);
        string past = await flood.AskAsync(go).ConfigureAwait(false);
        double unharmed = await NumberAsync(probe, "p99").ConfigureAwait(false);
        await flood.AskAsync($"at {server.EndPoint.Port}").ConfigureAwait(false);
        await Task.Delay(1_000).ConfigureAwait(false);
        await probe.AskAsync("p99").ConfigureAwait(false);
        int refused = server.Refused;
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        TimeSpan paused = GC.GetTotalPauseDuration();
        int collections = GC.CollectionCount(0);
        string sent = await flood.AskAsync(go).ConfigureAwait(false);
        double used = (Environment.CpuUsage.TotalTime - processor).TotalSeconds / 10;
        paused = GC.GetTotalPauseDuration() - paused;
        collections = GC.CollectionCount(0) - collections;
        double flooded = await NumberAsync(probe, "p99").ConfigureAwait(false);
        double recovered = await NumberAsync(probe, "connect").ConfigureAwait(false);
        Console.WriteLine($"to the sink: {past}; p99 {usual:0.000} -> {unharmed:0.000} ms");
        Console.WriteLine($"capacity {capacity:0} hellos/s; {sent}; the server used {used:0.00} processors; p99 {usual:0.000} -> {flooded:0.000} ms; {collections} collections paused it for {paused.TotalMilliseconds:0} ms");
        Console.WriteLine($"{server.Peer.TurnedAwayConnections} turned away, {server.Refused - refused} refused; {server.Reasons}");

        // How many compute at once shows only if a handshake stays for a while where it computes.
        _isSlow = true;
        await flood.AskAsync("capacity").ConfigureAwait(false);
        _isSlow = false;
        targets.AtMost("TLS handshake flood, twice the capacity for 10 s: p99 of the established against the usual one", flooded / usual, 5, "×");
        targets.AtMost("… a new client gets in after", recovered / 1_000, 2, "s");
        targets.Exactly("… established clients that were harmed", probe.Complaints + 10 - server.Peer.Connections.Length, 0);
        targets.AtMost("handshakes that compute at once, in another flood", _mostComputing, tls.MaxConcurrentHandshakes, "");

        static async Task<double> NumberAsync(ChildProcess child, string command)
            => double.Parse(await child.AskAsync(command).ConfigureAwait(false), CultureInfo.InvariantCulture);
    }

    private static void OnHandshake()
    {
        if (!_isSlow)
            return;
        int computing = Interlocked.Increment(ref _computing);
        for (int most = _mostComputing; computing > most;)
            most = Interlocked.CompareExchange(ref _mostComputing, computing, most);
        Thread.Sleep(Slow);
        Interlocked.Decrement(ref _computing);
    }
}
