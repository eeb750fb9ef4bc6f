using System.CommandLine;
using System.Globalization;
using PacketMQ.Tool.Bench;

namespace PacketMQ.Tool;

/// <summary><c>packetmq bench</c>: throughput and latency of this library on this machine.</summary>
internal static class BenchCommand
{
    private const double MinSeconds = 0.05;
    private const double MaxSeconds = 3_600;
    private const int MaxSizes = 16;
    private const int MaxConnections = 1_000;
    private const int MaxWindow = 10_000;

    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        Argument<ServerAddress> address = ServerAddress.CreateArgument();
        address.Arity = ArgumentArity.ZeroOrOne;
        address.Description = "A server that was started with 'packetmq serve --bench'. Without it a server process of its own is measured, on this machine.";
        var duration = new Option<TimeSpan>("--duration")
        {
            Description = "How long each of the measurements takes, in seconds. A warm-up of the same length, but at most a second, goes before each. [default: 2]",
            HelpName = "S",
            CustomParser = result => result.Read(ParseDuration),
        };
        var sizes = new Option<int[]>("--size")
        {
            Description = "The payloads that are sent one way, in bytes, separated by commas; may be given several times. "
                + $"The first is that of the round trips too. At most {BenchPackets.MaxPayloadBytes}. [default: 16,128,1024,65536]",
            HelpName = "BYTES",
            Arity = ArgumentArity.OneOrMore,
            CustomParser = result => result.Read(_ => ParseSizes(result.Tokens.Select(token => token.Value))),
        };
        var connections = new Option<int>("--connections")
        {
            Description = "How many connections do the same at the same time.",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
            CustomParser = result => result.Read(text => ParseNumber(text, MaxConnections, "number of connections")),
        };
        var window = new Option<int>("--window")
        {
            Description = "How many round trips of a connection are under way in the last measurement.",
            HelpName = "N",
            DefaultValueFactory = _ => 64,
            CustomParser = result => result.Read(text => ParseNumber(text, MaxWindow, "window")),
        };
        var command = new Command(
            "bench",
            "Measures how many packets a second go one way, and how long a round trip takes. Ctrl+C prints what was measured until then.")
        {
            address, duration, sizes, connections, window,
        };
        command.SetAction((parsed, _) =>
        {
            var settings = new BenchSettings(
                parsed.GetValue(sizes) is { Length: > 0 } given ? given : [16, 128, 1_024, 65_536],
                parsed.GetValue(duration) is { Ticks: > 0 } time ? time : TimeSpan.FromSeconds(2),
                parsed.GetValue(connections), parsed.GetValue(window));
            return RunAsync(parsed.GetValue(address), settings, BenchReport.Create(surroundings, parsed.GetValue(json)), surroundings.TimeProvider);
        });
        return command;
    }

    private static async Task<int> RunAsync(ServerAddress? address, BenchSettings settings, BenchReport report, TimeProvider clock)
    {
        using var interruption = new Interruption();
        var connections = new List<BenchConnection>();
        try
        {
            await using OwnServer? own = address is null ? await OwnServer.StartAsync(clock, interruption.Token) : null;
            try
            {
                ServerAddress server = own?.Address ?? address!;
                while (connections.Count < settings.Connections)
                    connections.Add(await BenchConnection.OpenAsync(server, clock, interruption.Token));
                report.Begins(new BenchSetting(server.ToString(), own?.ProcessId, settings));
                await MeasureAsync(new BenchRun(settings, connections, report, clock), report, interruption.Token);
            }
            finally
            {
                await Task.WhenAll(connections.Select(connection => connection.DisposeAsync().AsTask()));
            }
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            // Interrupted before there was anything to tell.
        }

        return ExitCode.Success;
    }

    private static async Task MeasureAsync(BenchRun run, BenchReport report, CancellationToken interruption)
    {
        var results = new BenchResults();
        try
        {
            await run.RunAsync(results, interruption);
        }
        finally
        {
            report.Ends(results);
        }
    }

    private static TimeSpan ParseDuration(string text)
        => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
            && seconds is >= MinSeconds and <= MaxSeconds
            ? TimeSpan.FromSeconds(seconds)
            : throw new FormatException($"The duration '{text}' is not a number of seconds from {MinSeconds} to {MaxSeconds}.");

    private static int[] ParseSizes(IEnumerable<string> lists)
    {
        int[] sizes = [.. lists.SelectMany(list => list.Split(',')).Select(one => ParseNumber(one, BenchPackets.MaxPayloadBytes, "size"))];
        return sizes.Length <= MaxSizes ? sizes : throw new FormatException($"{sizes.Length} sizes were given; {MaxSizes} are the most.");
    }

    private static int ParseNumber(string text, int most, string what)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= 1 && number <= most
            ? number
            : throw new FormatException($"The {what} '{text}' is not a number from 1 to {most}.");
}
