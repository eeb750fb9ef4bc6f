namespace PacketMQ.Soak.Runs;

/// <summary>13 types of bad first packets, 100 MB of each (fault 25), and as much of the largest packets that are allowed.</summary>
internal static class HostileRun
{
    // What eight connections may hold: for each a frame that arrives, what the receive buffers around it take, and the value it became.
    private const double MegabytesOfLawful = 8 * (1 + 1 + 2);

    public static async Task RunAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        using ChildProcess probe = await ChildProcess.StartAsync("probe", server.EndPoint).ConfigureAwait(false);
        using ChildProcess attacker = await ChildProcess.StartAsync("attack", server.EndPoint).ConfigureAwait(false);
        await Task.Delay(2_000).ConfigureAwait(false);
        await probe.AskAsync("p99").ConfigureAwait(false); // the first answers are slow
        await Task.Delay(5_000).ConfigureAwait(false);
        Console.WriteLine($"before: p99 of the established clients {await probe.AskAsync("p99").ConfigureAwait(false)} ms");
        Gauge before = Gauge.ReadSettled();
        double most = before.ResidentMegabytes;
        double mostOfLawful = before.ResidentMegabytes;
        for (int type = 0; ; type++)
        {
            Task<string> attacking = attacker.AskAsync($"{type}");
            double mostOfType = 0;
            while (!attacking.IsCompleted)
            {
                mostOfType = Math.Max(mostOfType, Gauge.Read().ResidentMegabytes);
                await Task.Delay(20).ConfigureAwait(false);
            }

            string sent = await attacking.ConfigureAwait(false);
            if (sent.Length == 0)
                break;
            Console.WriteLine($"{sent}; RSS at most {mostOfType - before.ResidentMegabytes:+0.0;-0.0} MB; p99 of the others {await probe.AskAsync("p99").ConfigureAwait(false)} ms");
            if (type == Children.AttackChild.LawfulType)
                mostOfLawful = mostOfType;
            else
                most = Math.Max(most, mostOfType);
        }

        await Task.Delay(1_000).ConfigureAwait(false);
        Console.WriteLine($"{server.Reasons}");
        targets.AtMost("13 types of hostile first packets, 100 MB of each: memory grew by", most - before.ResidentMegabytes, 20, "MB");
        targets.AtMost("lawful packets of 1 MiB on 8 connections: memory grew by", mostOfLawful - before.ResidentMegabytes, MegabytesOfLawful, "MB");
        targets.AtMost("… after a collection by", Gauge.ReadSettled().ResidentMegabytes - before.ResidentMegabytes, 20, "MB");
        targets.Exactly("… established clients that were harmed", probe.Complaints + 10 - server.Peer.Connections.Length, 0);
    }
}
