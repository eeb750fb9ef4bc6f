using System.Globalization;
using PacketMQ.Soak;
using PacketMQ.Soak.Children;
using PacketMQ.Soak.Runs;

// soak                    all runs, then an hour of mixed traffic
// soak MINUTES            only the mixed traffic
// soak RUN...             some of: connections shapes hostile kill restart freeze starve heap flood tls-flood slow halfopen link files
// soak child KIND ...     a client or server process of a run
string[] names = args is [] ? ["connections", "shapes", "hostile", "kill", "restart", "freeze", "starve", "heap", "flood", "tls-flood", "slow", "halfopen", "link", "files", "60"] : args;
if (names[0] == "child")
    return await Child.RunAsync(names[1..]);

var targets = new TargetTable();
foreach (string name in names)
{
    Console.WriteLine($"--- {name}");
    switch (name)
    {
        case "connections":
            await ConnectionsRun.RunAsync(targets);
            break;
        case "shapes":
            await ShapesRun.RunAsync(targets);
            break;
        case "hostile":
            await HostileRun.RunAsync(targets);
            break;
        case "kill":
            await KillRun.RunAsync(targets);
            break;
        case "restart":
            await RestartRun.RunAsync(targets);
            break;
        case "freeze":
            await FreezeRun.RunAsync(targets);
            break;
        case "heap":
            await HeapRun.RunAsync(targets);
            break;
        case "flood":
            await FloodRun.RunAsync(targets);
            break;
        case "starve":
            await StarveRun.RunAsync(targets);
            break;
        case "tls-flood":
            await TlsFloodRun.RunAsync(targets);
            break;
        case "slow":
            await SlowRun.RunAsync(targets);
            break;
        case "halfopen":
            await HalfOpenRun.RunAsync(targets);
            break;
        case "link":
            await LinkRun.RunAsync(targets);
            break;
        case "files":
            await FilesRun.RunAsync(targets);
            break;
        default:
            if (!double.TryParse(name, CultureInfo.InvariantCulture, out double minutes) || minutes <= 0)
            {
                Console.Error.WriteLine($"'{name}' is neither a run nor a number of minutes.");
                return 2;
            }

            await MixedRun.RunAsync(targets, TimeSpan.FromMinutes(minutes));
            break;
    }
}

return targets.Print() ? 0 : 1;
