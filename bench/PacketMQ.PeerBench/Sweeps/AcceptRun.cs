using System.Diagnostics;
using System.Text;
using System.Text.Json;

namespace PeerBench.Sweeps;

/// <summary>
/// How long it takes until very many connections have completed their handshake, what an idle one costs the server, and whether
/// each of them answers. The clients are in several processes: as many as the limit of descriptors asks for, at least two.
/// </summary>
public sealed class AcceptRun(IReadOnlyList<Candidate> peers, int connections, int rounds)
{
    private const int PayloadBytes = 32, SpareDescriptors = 500, WarmUp = 10;

    public sealed record Figure(
        int Round, string Peer, double Seconds, double PerSecond, double IdleRssKiB, double IdleHeapKiB, double EchoSeconds, double EchoedRssKiB, double EchoedHeapKiB);

    private readonly List<Figure> _figures = [];
    private readonly List<string> _failures = [];

    /// <summary>The soft limit of this process, which .NET has raised to the hard one at its start; unlimited where it can't be read.</summary>
    public static int DescriptorLimit()
    {
        const string file = "/proc/self/limits";
        string? line = File.Exists(file) ? File.ReadLines(file).FirstOrDefault(line => line.StartsWith("Max open files")) : null;
        return int.TryParse(line?["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], out int limit) ? limit : int.MaxValue;
    }

    public async Task<int> RunAsync(RunHeader header, string directory)
    {
        int limit = DescriptorLimit();
        if (connections + SpareDescriptors > limit)
        {
            Console.Error.WriteLine($"{connections} connections need as many descriptors and {SpareDescriptors} more in the server, and the hard limit is {limit}: raise it (ulimit -Hn) or pass --connections.");
            return 2;
        }

        int processes = Math.Max(2, (int)Math.Ceiling(connections / (double)(limit - SpareDescriptors)));
        for (int round = 1; round <= rounds; round++)
            foreach (var peer in peers)
            {
                try
                {
                    var figure = await MeasureAsync(peer, round, processes);
                    _figures.Add(figure);
                    Console.Error.WriteLine($"round {round}/{rounds} {peer.Name}: {figure.Seconds:0.00} s");
                }
                catch (Exception e)
                {
                    _failures.Add($"- failed: {peer.Name}, round {round}: {e.Message}");
                    Console.Error.WriteLine(_failures[^1]);
                }
            }

        string markdown = header.ToMarkdown() + "\n" + Table(processes);
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "accept.md"), markdown);
        File.WriteAllText(Path.Combine(directory, "accept.json"), JsonSerializer.Serialize(
            new { header, connections, processes, figures = _figures, failures = _failures },
            new JsonSerializerOptions { WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower }));
        Console.WriteLine(markdown);
        return 0;
    }

    private async Task<Figure> MeasureAsync(Candidate peer, int round, int processes)
    {
        int port = AgentProcess.FreePort();
        using var server = new AgentProcess(peer, "server", Work.Accept, PayloadBytes, port);
        var clients = new List<AgentProcess>();
        try
        {
            for (int i = 0; i < processes; i++)
                clients.Add(new AgentProcess(peer, "client", Work.Accept, PayloadBytes, port));
            await server.ReadAsync();
            foreach (var client in clients)
            {
                await client.ReadAsync();
                await client.AskAsync($"connect {WarmUp}");
                await client.AskAsync("echo_all");
            }

            var before = await server.AskAsync("memory 1");
            var clock = Stopwatch.StartNew();
            await Task.WhenAll(clients.Select((client, i) => client.AskAsync($"connect {connections / processes + (i < connections % processes ? 1 : 0)}")));
            int all = connections + processes * WarmUp;
            double taken = (await server.AskAsync($"connections {all} {AgentProcess.Patience}"))["count"];
            double seconds = clock.Elapsed.TotalSeconds;
            if (taken != all)
                throw new InvalidDataException($"{all} connections were made, the server has {taken}");

            var idle = await server.AskAsync("memory 3");
            clock.Restart();
            var echoed = await Task.WhenAll(clients.Select(client => client.AskAsync("echo_all")));
            double echoSeconds = clock.Elapsed.TotalSeconds;
            if (echoed.Sum(reply => reply["echoed"]) != all)
                throw new InvalidDataException($"{echoed.Sum(reply => reply["echoed"])} of {all} connections answered");
            var after = await server.AskAsync("memory 3");

            double KiB(Dictionary<string, double> now, string what) => Math.Round((now[what] - before[what]) / 1024 / connections, 3);
            return new Figure(round, peer.Name, Math.Round(seconds, 3), Math.Round(connections / seconds), KiB(idle, "rss"), KiB(idle, "heap"),
                Math.Round(echoSeconds, 3), KiB(after, "rss"), KiB(after, "heap"));
        }
        finally
        {
            clients.ForEach(client => client.Dispose());
        }
    }

    private string Table(int processes)
    {
        var text = new StringBuilder();
        text.AppendLine($"### {connections} connections from {processes} client processes, {rounds} {(rounds == 1 ? "round" : "rounds")} (medians)").AppendLine();
        text.AppendLine("The time ends when each client has its connection and the server has taken all of them, handshake included. Memory is the growth of the");
        text.AppendLine("server by one connection, after a forced collection: when all idle since their handshake, and when each has done one echo since.").AppendLine();
        text.AppendLine("| peer | seconds | connections/s | x raw-framed | idle: RSS [KiB] | heap [KiB] | one echo on each [s] | after it: RSS [KiB] | heap [KiB] |");
        text.AppendLine("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
        foreach (var peer in _figures.GroupBy(figure => figure.Peer))
        {
            double Median(Func<Figure, double> of) => Figures.Median(peer.Select(of));
            double ratio = Figures.Median(peer.SelectMany(mine => _figures
                .Where(other => other.Peer == "raw-framed" && other.Round == mine.Round).Select(other => mine.PerSecond / other.PerSecond)));
            text.AppendLine($"| {peer.Key} | {Figures.Number(Median(f => f.Seconds))} | {Figures.Number(Median(f => f.PerSecond))} | {Figures.Ratio(ratio)}"
                + $" | {Figures.Number(Median(f => f.IdleRssKiB))} | {Figures.Number(Median(f => f.IdleHeapKiB))} | {Figures.Number(Median(f => f.EchoSeconds))}"
                + $" | {Figures.Number(Median(f => f.EchoedRssKiB))} | {Figures.Number(Median(f => f.EchoedHeapKiB))} |");
        }

        text.AppendLine();
        _failures.ForEach(failure => text.AppendLine(failure));
        return text.ToString();
    }
}
