using System.Diagnostics;

namespace PacketMQ.Soak.Runs;

/// <summary>A client process with 20 connections and traffic on them is killed, 200 times (fault 3).</summary>
internal static class KillRun
{
    private const int Kills = 200;

    public static async Task RunAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        using (ChildProcess first = await ChildProcess.StartAsync("mixed", server.EndPoint, 20, 0).ConfigureAwait(false))
            await Task.Delay(500).ConfigureAwait(false);
        await AreFreedAsync(server).ConfigureAwait(false);
        Gauge before = Gauge.ReadSettled();
        string descriptorsBefore = Gauge.DescribeDescriptors();
        double longest = 0;
        for (int i = 0; i < Kills; i++)
        {
            using ChildProcess child = await ChildProcess.StartAsync("mixed", server.EndPoint, 20, i + 1).ConfigureAwait(false);
            int made = server.Made;
            while (server.Peer.Connections.Length < 16 && server.Made < made + 40)
                await Task.Delay(1).ConfigureAwait(false);
            await child.KillAsync().ConfigureAwait(false);
            longest = Math.Max(longest, (await AreFreedAsync(server).ConfigureAwait(false)).TotalSeconds);
        }

        await Task.Delay(2_000).ConfigureAwait(false);
        Gauge after = Gauge.ReadSettled();
        Console.WriteLine($"{server.Made} connections were made, {server.Packets} packets came; {server.Reasons}; RSS {before.ResidentMegabytes:0.0} -> {after.ResidentMegabytes:0.0} MB");
        Console.WriteLine($"descriptors before: {descriptorsBefore}; after: {Gauge.DescribeDescriptors()}");
        targets.AtMost("200 × kill -9 of a client process: all freed after at most", longest, 1, "s");
        targets.AtMost("… descriptors left", after.Descriptors - before.Descriptors, 0, "");
        targets.AtMost("… timers left", after.Timers - before.Timers, 0, "");
        targets.Exactly("… broken invariants", server.Breaks, 0);
    }

    private static async Task<TimeSpan> AreFreedAsync(SoakServer server)
    {
        long begun = Stopwatch.GetTimestamp();
        while ((server.Peer.Connections.Length > 0 || server.Lost < server.Made) && Stopwatch.GetElapsedTime(begun).TotalSeconds < 60)
            await Task.Delay(1).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(begun);
    }
}
