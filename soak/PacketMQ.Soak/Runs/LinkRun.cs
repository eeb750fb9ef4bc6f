using System.Globalization;

namespace PacketMQ.Soak.Runs;

/// <summary>
/// Links that stand still for 20 s, are slow and lose, double and reorder, lose a third, or carry small packets only, of IPv4 and IPv6
/// (faults 10, 11, 12, 34). Needs root, unshare, ip, and /dev/net/tun.
/// </summary>
internal static class LinkRun
{
    private const int Questions = 64;

    // A link below 1 280 bytes has no IPv6 any more, so that comes first. The least of IPv4, 68, is less than what the TCP of Linux sends (tcp_min_snd_mss).
    private static readonly (string Name, int Kind, int Mtu)[] Small =
    [
        ("IPv6, 1 280", 1, 1_280), ("IPv6 with a scope, 1 280", 2, 1_280), ("IPv4, 576", 0, 576), ("IPv4, 100", 0, 100),
    ];

    public static async Task RunAsync(TargetTable targets)
    {
        if (!OwnNetwork.IsPossible("ip"))
            return;
        if (!File.Exists("/dev/net/tun"))
        {
            Console.WriteLine("skipped: there is no /dev/net/tun");
            return;
        }

        using ChildProcess child = await ChildProcess.StartInOwnNetworkAsync("link").ConfigureAwait(false);
        double[] stall = await NumbersAsync("stall").ConfigureAwait(false);
        targets.Exactly($"nothing passes for 20 s: of {Questions} questions asked meanwhile, answered", (long)stall[0], Questions);
        targets.AtMost("… the last, after the link was well again", stall[1], 30, "s");

        foreach (var (name, kind, mtu) in Small)
            targets.Exactly($"{name} bytes at most: of {Questions} packets of 0 to 99 000 bytes, there and back", (long)(await NumbersAsync($"carry {kind} {mtu}").ConfigureAwait(false))[0], Questions);

        await AskAsync("200 ms ± 100 one way, 2 % lost, 1 % doubled, 5 % overtake, 10 min", "0.02 0.01 0.05 200 100", 10, endsAreAllowed: false).ConfigureAwait(false);
        await AskAsync("30 % lost, 3 min", "0.3 0 0 0 0", 3, endsAreAllowed: true).ConfigureAwait(false);
        targets.Exactly("… broken invariants, in all of these", child.Complaints, 0);

        async Task AskAsync(string name, string weather, int minutes, bool endsAreAllowed)
        {
            await child.AskAsync($"ask {weather}").ConfigureAwait(false);
            await Task.Delay(TimeSpan.FromMinutes(minutes)).ConfigureAwait(false);
            string state = await child.AskAsync("stop").ConfigureAwait(false);
            Console.WriteLine($"{name}: answers, clients without any, ends, breaks, cores, which ends: {state}");
            double[] numbers = [.. state.Split(' ')[..5].Select(Number)];
            targets.Exactly($"{name}: of 20 clients, how many had no answer", (long)numbers[1], 0);
            if (!endsAreAllowed)
                targets.Exactly("… connections that were lost", (long)numbers[2], 0);
            targets.AtMost("… of a core, with the link itself", numbers[4], 0.5, "");
        }

        async Task<double[]> NumbersAsync(string command) => [.. (await child.AskAsync(command).ConfigureAwait(false)).Split(' ').Select(Number)];
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
