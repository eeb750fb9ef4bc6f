using System.Globalization;

namespace PacketMQ.Soak.Runs;

/// <summary>5 000 connects a second for 10 s from many addresses, beside ten established clients (fault 20).</summary>
internal static class FloodRun
{
    public static async Task RunAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        using ChildProcess probe = await ChildProcess.StartAsync("probe", server.EndPoint).ConfigureAwait(false);
        using ChildProcess flood = await ChildProcess.StartAsync("flood", server.EndPoint).ConfigureAwait(false);
        await Task.Delay(2_000).ConfigureAwait(false);
        await probe.AskAsync("p99").ConfigureAwait(false);
        await Task.Delay(5_000).ConfigureAwait(false);
        double usual = await P99Async().ConfigureAwait(false);
        Console.WriteLine(await flood.AskAsync("go").ConfigureAwait(false));
        double flooded = await P99Async().ConfigureAwait(false);
        double recovered = double.Parse(await probe.AskAsync("connect").ConfigureAwait(false), CultureInfo.InvariantCulture);
        Console.WriteLine($"p99 {usual:0.000} -> {flooded:0.000} ms; {server.Peer.TurnedAwayConnections} turned away, {server.Refused} refused; {server.Reasons}");
        targets.AtMost("connect flood, 5 000/s × 10 s: p99 of the established against the usual one", flooded / usual, 5, "×");
        targets.AtMost("… a new client gets in after", recovered / 1_000, 2, "s");
        targets.Exactly("… established clients that were harmed", probe.Complaints, 0);

        async Task<double> P99Async() => double.Parse(await probe.AskAsync("p99").ConfigureAwait(false), CultureInfo.InvariantCulture);
    }
}
