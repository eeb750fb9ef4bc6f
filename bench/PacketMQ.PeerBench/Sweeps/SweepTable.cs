using System.Text;

namespace PeerBench.Sweeps;

/// <summary>A table a sweep: medians over the rounds, the subject (the first peer) beside the reference (raw-framed).</summary>
public static class SweepTable
{
    private const string Reference = "raw-framed";

    /// <summary>A row whose throughput is below this part of the row above it gets a note.</summary>
    private const double Cliff = 0.6;

    public static string Write(IReadOnlyList<SweepPoint> points, IReadOnlyList<string> peers)
    {
        var text = new StringBuilder();
        foreach (var sweep in points.GroupBy(point => point.Sweep))
            Write(text, sweep.Key, [.. sweep], peers);
        var notes = points.Where(point => point.Failure is not null).ToList();
        foreach (var point in notes)
            text.AppendLine($"- failed: {point.Peer}, {point.X} {point.Sweep}, round {point.Round}: {point.Failure}");
        return text.ToString();
    }

    private static void Write(StringBuilder text, string sweep, List<SweepPoint> points, IReadOnlyList<string> peers)
    {
        // More connections and threads should cost nothing, so their measure is messages; a larger payload should cost its bytes.
        bool isPayloads = sweep == SweepRun.Payloads;
        string unit = isPayloads ? "MB/s" : "msg/s";
        string subject = peers[0];
        double Of(SweepPoint point) => isPayloads ? point.MessagesPerSecond * point.PayloadBytes / 1e6 : point.MessagesPerSecond;

        text.AppendLine($"### {char.ToUpperInvariant(sweep[0])}{sweep[1..]}").AppendLine();
        text.AppendLine(isPayloads
            ? "One connection. Linear means: the MB/s of a row are not below those of the row above it."
            : "128 B. Linear means: the msg/s stay where they are in the first row.").AppendLine();
        text.Append($"| {(isPayloads ? "bytes" : sweep.Split([',', ' '])[0])} |");
        foreach (string peer in peers)
            text.Append($" {peer} {unit} | x row above | ns a message |");
        text.AppendLine($" {subject} / {Reference} | {subject}: allocated, sender / receiver [B] | CPU, sender / receiver [µs] | sender's peak RSS [MiB] | note |");
        text.AppendLine("|--:|" + string.Concat(peers.Select(_ => "--:|--:|--:|")) + "--:|--:|--:|--:|---|");
        var above = new Dictionary<string, double>();
        foreach (var row in points.GroupBy(point => point.X))
        {
            text.Append($"| {row.Key} |");
            string note = "";
            foreach (string peer in peers)
            {
                var mine = row.Where(point => point.Peer == peer && point.Failure is null).ToList();
                double value = Figures.Median(mine.Select(Of));
                double step = above.TryGetValue(peer, out double before) ? value / before : double.NaN;
                above[peer] = value;
                text.Append($" {Figures.Number(value)} | {Figures.Ratio(step)} | {Figures.Number(1e9 / Figures.Median(mine.Select(point => point.MessagesPerSecond)))} |");
                if (step < Cliff)
                    note += $"{(note == "" ? "" : "; ")}{peer} falls";
            }

            var good = row.Where(point => point.Failure is null).ToList();
            var ratios = good.Where(point => point.Peer == subject)
                .Select(point => (Mine: point, Other: good.FirstOrDefault(other => other.Peer == Reference && other.Round == point.Round)))
                .Where(both => both.Other is not null).Select(both => Of(both.Mine) / Of(both.Other!));
            double Median(Func<SweepPoint, double> of) => Figures.Median(good.Where(point => point.Peer == subject).Select(of));
            text.AppendLine($" {Figures.Ratio(Figures.Median(ratios))} | {Figures.Number(Median(p => p.SenderBytes))} / {Figures.Number(Median(p => p.ReceiverBytes))}"
                + $" | {Figures.Number(Median(p => p.SenderCpu))} / {Figures.Number(Median(p => p.ReceiverCpu))} | {Figures.Number(Median(p => p.SenderPeakMiB))} | {note} |");
        }

        text.AppendLine();
    }
}
