using System.Diagnostics;
using System.Globalization;

namespace PacketMQ.Soak.Runs;

/// <summary>10 000 connections with the full handshake (fault 22), then all of them reset at once (fault 23).</summary>
internal static class ConnectionsRun
{
    private const int Processes = 4;
    private const int Connections = 10_000;
    private const int WarmUp = 100;

    public static async Task RunAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        var children = new List<ChildProcess>();
        for (int i = 0; i < Processes; i++)
            children.Add(await ChildProcess.StartAsync("open", server.EndPoint, Connections / Processes).ConfigureAwait(false));
        // The runtime's own descriptors and pages are there from the first connections on.
        using (ChildProcess first = await ChildProcess.StartAsync("open", server.EndPoint, WarmUp).ConfigureAwait(false))
        {
            await first.AskAsync("open").ConfigureAwait(false);
            await first.AskAsync("reset").ConfigureAwait(false);
            while (server.Lost < WarmUp)
                await Task.Delay(1).ConfigureAwait(false);
        }

        Gauge before = Gauge.ReadSettled();
        string descriptorsBefore = Gauge.DescribeDescriptors();

        long begun = Stopwatch.GetTimestamp();
        string[] failures = await Task.WhenAll(children.Select(child => child.AskAsync("open"))).ConfigureAwait(false);
        while (server.Made < Connections + WarmUp && Stopwatch.GetElapsedTime(begun).TotalSeconds < 60)
            await Task.Delay(1).ConfigureAwait(false);
        TimeSpan opening = Stopwatch.GetElapsedTime(begun);
        Gauge open = Gauge.Read();
        Gauge settled = Gauge.ReadSettled();
        Console.WriteLine($"{server.Peer.Connections.Length} connections; RSS {before.ResidentMegabytes:0.0} -> {open.ResidentMegabytes:0.0} MB, {settled.ResidentMegabytes:0.0} after a collection");
        targets.AtMost("10 000 connections, full handshake", opening.TotalSeconds, 10, "s");
        targets.Exactly("… that failed", failures.Sum(answer => int.Parse(answer, CultureInfo.InvariantCulture)), 0);
        targets.AtMost("… memory of each (RSS, before any collection)", (open.ResidentMegabytes - before.ResidentMegabytes) * 1_024 / Connections, 20, "KB");
        targets.AtMost("… memory of each (RSS, after a collection)", (settled.ResidentMegabytes - before.ResidentMegabytes) * 1_024 / Connections, 20, "KB");

        begun = Stopwatch.GetTimestamp();
        Task<string[]> resetting = Task.WhenAll(children.Select(child => child.AskAsync("reset")));
        while ((server.Lost < Connections + WarmUp || Gauge.Read().Descriptors > before.Descriptors) && Stopwatch.GetElapsedTime(begun).TotalSeconds < 60)
            await Task.Delay(5).ConfigureAwait(false);
        TimeSpan freeing = Stopwatch.GetElapsedTime(begun);
        Console.WriteLine($"the clients took {string.Join(", ", await resetting.ConfigureAwait(false))} ms to reset theirs; {server.Reasons}");
        targets.AtMost("10 000 resets at once: all freed after", freeing.TotalSeconds, 2, "s");
        targets.Exactly("… connections left", server.Peer.Connections.Length, 0);
        Console.WriteLine($"descriptors before: {descriptorsBefore}; after: {Gauge.DescribeDescriptors()}");
        targets.AtMost("… descriptors left", Gauge.Read().Descriptors - before.Descriptors, 0, "");
        children.ForEach(child => child.Dispose());
    }
}
