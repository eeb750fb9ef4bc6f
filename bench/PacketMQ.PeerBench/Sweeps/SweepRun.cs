using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace PeerBench.Sweeps;

/// <summary>
/// Does the cost grow linearly? One way, client to server, over numbers of connections, sizes of payload and numbers of threads.
/// Rounds, then values, then peers, so that the peers of one row are measured one right after the other.
/// </summary>
public sealed class SweepRun(IReadOnlyList<Candidate> peers, int rounds, double seconds, double warmUp)
{
    public const string Connections = "connections, one message on each in turn";
    public const string ConnectionsInRuns = "connections, 64 messages on each in turn";
    public const string Payloads = "payload bytes";
    public const string Threads = "sending threads on one connection";
    private const int Bytes = 128;

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    private readonly List<SweepPoint> _points = [];

    private sealed record Step(string Sweep, int X, Work Work, int PayloadBytes, int Connections, string Send);

    /// <param name="sweeps">Any of connections, payloads, threads.</param>
    /// <param name="largestPayload">The last value of the payload sweep.</param>
    /// <param name="header">What the page begins with.</param>
    /// <param name="directory">Where sweep.md and sweep.json go.</param>
    public async Task RunAsync(IReadOnlyCollection<string> sweeps, int largestPayload, RunHeader header, string directory)
    {
        var steps = Steps(sweeps, largestPayload);
        var clock = Stopwatch.StartNew();
        for (int round = 1; round <= rounds; round++)
            foreach (var step in steps)
                foreach (var peer in peers.Where(peer => peer.Supports.HasFlag(step.Work)))
                {
                    var point = new SweepPoint(step.Sweep, step.X, round, peer.Name, step.PayloadBytes);
                    try
                    {
                        point = await MeasureAsync(peer, step, point);
                    }
                    catch (Exception e)
                    {
                        point = point with { Failure = e.Message };
                    }

                    _points.Add(point);
                    Console.Error.WriteLine($"{clock.Elapsed:m\\:ss} round {round}/{rounds} {peer.Name}, {step.X} {step.Sweep}: "
                        + (point.Failure ?? $"{Figures.Number(point.MessagesPerSecond)} msg/s"));
                }

        string markdown = header.ToMarkdown() + "\n" + SweepTable.Write(_points, peers.Select(peer => peer.Name).ToList());
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "sweep.md"), markdown);
        File.WriteAllText(Path.Combine(directory, "sweep.json"), JsonSerializer.Serialize(new { header, points = _points }, Json));
        Console.WriteLine(markdown);
    }

    private static List<Step> Steps(IReadOnlyCollection<string> sweeps, int largestPayload)
    {
        var steps = new List<Step>();
        if (sweeps.Contains("connections"))
        {
            foreach ((string sweep, int run) in new[] { (Connections, 1), (ConnectionsInRuns, 64) })
                foreach (int connections in (int[])[1, 10, 100, 1000])
                    steps.Add(new(sweep, connections, Work.Many, Bytes, connections, $"spread {{0}} {{1}} {run}"));
        }

        if (sweeps.Contains("payloads"))
            foreach (int size in ((int[])[16, 64, 256, 1024, 4096, 16384, 65536]).Append(largestPayload).Distinct())
                steps.Add(new(Payloads, size, Work.W1, size, 1, "send {0} {1}"));
        if (sweeps.Contains("threads"))
            foreach (int threads in (int[])[1, 2, 4, 8])
                steps.Add(new(Threads, threads, Work.W1, Bytes, 1, $"threads {{0}} {{1}} {threads}"));
        return steps;
    }

    private async Task<SweepPoint> MeasureAsync(Candidate peer, Step step, SweepPoint point)
    {
        using var pair = await AgentPair.StartAsync(peer, step.Work, step.PayloadBytes, step.Connections);

        // Sends and waits until the last message has arrived; returns how many, and at what rate they arrived.
        async Task<(double Count, double Rate)> SendAsync(double count, double forSeconds)
        {
            await pair.Server.AskAsync("expect -1");
            double sent = (await pair.Client.AskAsync(string.Format(step.Send, count, forSeconds)))["sent"];
            var got = await pair.Server.AskAsync($"until {sent} {AgentProcess.Patience}");
            if (got["count"] != sent || got["bytes"] != sent * step.PayloadBytes)
                throw new InvalidDataException($"sent {sent} messages, received {got["count"]} with {got["bytes"]} bytes");
            return (sent, sent / got["since_first"]);
        }

        await SendAsync(10_000_000_000, warmUp);
        double rate = (await SendAsync(10_000_000_000, 0.5)).Rate;
        await pair.Server.AskAsync("mark");
        await pair.Client.AskAsync("mark");
        (double count, rate) = await SendAsync(Math.Max(100, (long)(rate * seconds)), AgentProcess.Patience);
        var receiver = await pair.Server.AskAsync("stats");
        var sender = await pair.Client.AskAsync("stats");
        return point with
        {
            MessagesPerSecond = rate,
            SenderBytes = sender["alloc"] / count,
            ReceiverBytes = receiver["alloc"] / count,
            SenderCpu = sender["cpu"] / count * 1e6,
            ReceiverCpu = receiver["cpu"] / count * 1e6,
            SenderPeakMiB = sender["peak_rss"] / (1024 * 1024),
        };
    }
}
