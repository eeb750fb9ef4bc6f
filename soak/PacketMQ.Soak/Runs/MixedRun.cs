using System.Diagnostics;

namespace PacketMQ.Soak.Runs;

/// <summary>200 clients of all sorts, a quarter of them with TLS; every 10 s some are cut, every minute one of their four processes is killed (fault 33).</summary>
internal static class MixedRun
{
    private const int Processes = 4;
    private const int Clients = 200;

    // The runtime compiles what is used often once more, for half an hour and longer, and the C library keeps memory of that: docs/decisions. Without
    // it (DOTNET_TieredCompilation=0) RSS says what the server itself takes.
    private static readonly bool CompilesOnce = Environment.GetEnvironmentVariable("DOTNET_TieredCompilation") == "0";

    public static async Task RunAsync(TargetTable targets, TimeSpan length)
    {
        int unobserved = 0;
        TaskScheduler.UnobservedTaskException += (_, e) =>
        {
            Interlocked.Increment(ref unobserved);
            Console.WriteLine($"UNOBSERVED at the server: {e.Exception}");
        };
        var certificate = new SoakCertificate();
        await using var server = new SoakServer();
        await using var encrypting = new SoakServer(new PeerOptions { Tls = certificate.ForServer(() => { }) });
        // The runtime's own descriptors and pages are there from the first connections on.
        using (await ChildProcess.StartAsync("mixed", server.EndPoint, 20, 99).ConfigureAwait(false))
        using (await ChildProcess.StartAsync("mixed", encrypting.EndPoint, certificate, 20, 98).ConfigureAwait(false))
            await Task.Delay(2_000).ConfigureAwait(false);
        await Task.Delay(10_000).ConfigureAwait(false);
        Gauge empty = Gauge.ReadSettled();
        string emptyDescriptors = Gauge.DescribeDescriptors();
        var clients = new MixedClients(server.EndPoint, encrypting.EndPoint, certificate, Processes, Clients);
        await clients.StartAsync().ConfigureAwait(false);
        Gauge? warm = null;
        long warmSince = 0;
        // What the buffers and caches take anew after the clients were stopped is no slope: a fifth of it again is left for that.
        TimeSpan warmUp = TimeSpan.FromMinutes(10) < length / 3 ? TimeSpan.FromMinutes(10) : length / 3;
        var samples = new List<(double Hours, Gauge Gauge)>();
        long begun = Stopwatch.GetTimestamp();
        Console.WriteLine("minute | RSS MB | heap MB | C heap in use, taken MB | descriptors | timers | connections | made, with TLS | packets, with TLS | breaks | unobserved");
        for (int turn = 1; Stopwatch.GetElapsedTime(begun) < length; turn++)
        {
            await Task.Delay(10_000).ConfigureAwait(false);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(begun);
            Gauge gauge = Gauge.Read();
            if (warm is not null && Stopwatch.GetElapsedTime(warmSince) > warmUp / 5)
                samples.Add((elapsed.TotalHours, gauge));
            clients.Cut();
            if (turn % 6 != 0)
                continue;
            Console.WriteLine(
                $"{elapsed.TotalMinutes,6:0.0} | {gauge.ResidentMegabytes,6:0.0} | {GC.GetTotalMemory(false) / 1_048_576.0,7:0.0} | {NativeMemory.Read()?.InUse,14:0.0}, {NativeMemory.Read()?.Taken,5:0.0} | {gauge.Descriptors,11} | {gauge.Timers,6} | {server.Peer.Connections.Length + encrypting.Peer.Connections.Length,11} | {server.Made}, {encrypting.Made} | {server.Packets}, {encrypting.Packets} | {server.Breaks + encrypting.Breaks} | {unobserved}");
            if (warm is null && elapsed > warmUp)
            {
                warm = await clients.StopAsync().ConfigureAwait(false);
                warmSince = Stopwatch.GetTimestamp();
                Console.WriteLine($"empty, warm: RSS {warm.Value.ResidentMegabytes:0.0} MB");
                await clients.StartAsync().ConfigureAwait(false);
            }
            else
            {
                await clients.ReplaceAsync(turn / 6, seed: turn).ConfigureAwait(false);
            }
        }

        Gauge after = await clients.StopAsync().ConfigureAwait(false);
        TimeSpan between = Stopwatch.GetElapsedTime(warmSince);
        foreach (SoakServer each in (SoakServer[])[server, encrypting])
            Console.WriteLine($"{(each == server ? "plain" : "TLS")}: {each.Made} made, {each.Lost} lost, {each.Refused} refused, {each.Packets} packets; {each.Reasons}");
        Console.WriteLine($"empty: RSS {empty.ResidentMegabytes:0.0} MB before, {after.ResidentMegabytes:0.0} MB after");
        Console.WriteLine($"descriptors before: {emptyDescriptors}; after: {Gauge.DescribeDescriptors()}");
        string what = $"soak of {length.TotalMinutes:0} min";
        if (warm is { } begin && samples.Count > 1)
        {
            double left = 100 * (after.ResidentMegabytes - begin.ResidentMegabytes) / samples.Average(sample => sample.Gauge.ResidentMegabytes);
            double slope = Slope(samples, gauge => gauge.ResidentMegabytes);
            targets.AtMost($"{what}: RSS that was left behind, without clients, after the first {warmUp.TotalMinutes:0.#} min", left / between.TotalHours, 1, "% per hour");
            if (CompilesOnce)
                targets.AtMost("… slope of RSS", slope, 1, "% per hour");
            else
                Console.WriteLine($"slope of RSS: {slope:0.00} % per hour, the runtime's compiler included");
            targets.AtMost("… slope of descriptors", Slope(samples, gauge => gauge.Descriptors), 1, "% per hour");
        }
        else
        {
            Console.WriteLine($"{what}: too short for a slope");
        }

        targets.AtMost("… descriptors left at the end", after.Descriptors - empty.Descriptors, 0, "");
        targets.AtMost("… timers left at the end", after.Timers - empty.Timers, 1, ""); // the heartbeat may not have gone to sleep yet
        targets.Exactly("… connections left at the end", server.Peer.Connections.Length + encrypting.Peer.Connections.Length, 0);
        targets.Exactly("… made and not lost", server.Made + encrypting.Made - server.Lost - encrypting.Lost, 0);
        targets.Exactly("… unobserved exceptions at the server", unobserved, 0);
        targets.Exactly("… broken invariants (order, whole packets, answers)", server.Breaks + encrypting.Breaks + clients.Complaints, 0);
    }

    /// <summary>The line through the samples, of which there are two at least: how much it rises in an hour, in percent of their mean.</summary>
    private static double Slope(List<(double Hours, Gauge Gauge)> samples, Func<Gauge, double> value)
    {
        double meanTime = samples.Average(sample => sample.Hours);
        double mean = samples.Average(sample => value(sample.Gauge));
        double rise = samples.Sum(sample => (sample.Hours - meanTime) * (value(sample.Gauge) - mean))
            / samples.Sum(sample => (sample.Hours - meanTime) * (sample.Hours - meanTime));
        return 100 * rise / mean;
    }
}
