using System.Globalization;

namespace PacketMQ.Soak.Runs;

/// <summary>
/// The network drops what the two sides of a connection send, without a word: both directions (fault 5), then one (fault 6). Needs root, and
/// unshare, ip and nft.
/// </summary>
internal static class HalfOpenRun
{
    public static async Task RunAsync(TargetTable targets)
    {
        if (!OwnNetwork.IsPossible("ip", "nft"))
            return;
        using ChildProcess child = await ChildProcess.StartInOwnNetworkAsync("halfopen").ConfigureAwait(false);
        int rows = int.Parse(await child.AskAsync("go").ConfigureAwait(false), CultureInfo.InvariantCulture);
        for (int i = 0; i < rows; i++)
        {
            string[] row = (await child.AskAsync("next").ConfigureAwait(false)).Split('|');
            Console.WriteLine($"{row[0]}, {row[1]}: the server after {row[2]} s as {row[3]}; the client after {row[4]} s as {row[5]}");
            targets.AtMost($"{row[0]}, {row[1]}: the server knows after", double.Parse(row[2], CultureInfo.InvariantCulture), 60, "s");
            targets.AtMost("… the client", double.Parse(row[4], CultureInfo.InvariantCulture), 60, "s");
        }
    }
}
