namespace PacketMQ.Soak.Runs;

/// <summary>14 types of bad first packets, 100 MB of each (fault 25).</summary>
internal static class HostileRun
{
    public static async Task RunAsync(TargetTable targets)
    {
        await using var server = new SoakServer();
        using ChildProcess probe = await ChildProcess.StartAsync("probe", server.EndPoint).ConfigureAwait(false);
        using ChildProcess attacker = await ChildProcess.StartAsync("attack", server.EndPoint).ConfigureAwait(false);
        await Task.Delay(1_000).ConfigureAwait(false);
        Gauge before = Gauge.ReadSettled();
        double most = before.ResidentMegabytes;
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
            most = Math.Max(most, mostOfType);
        }

        await Task.Delay(1_000).ConfigureAwait(false);
        Console.WriteLine($"{server.Reasons}");
        targets.AtMost("14 types of hostile first packets, 100 MB of each: memory grew by", most - before.ResidentMegabytes, 20, "MB");
        targets.AtMost("… after a collection by", Gauge.ReadSettled().ResidentMegabytes - before.ResidentMegabytes, 20, "MB");
        targets.Exactly("… established clients that were harmed", probe.Complaints + 10 - server.Peer.Connections.Length, 0);
    }
}
