using System.Globalization;
using System.Runtime.InteropServices;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool.Bench;

/// <summary>What the measurements tell people: a table that grows line by line, and the histogram at the end. At most 80 columns.</summary>
internal sealed class PeopleBenchReport(Screen screen) : BenchReport
{
    private const int BarWidth = 20;
    private const int HistogramWidth = 32;

    private static readonly NumberFormatInfo Numbers = new() { NumberGroupSeparator = " " };

    /// <inheritdoc/>
    public override void Begins(BenchSetting setting)
    {
        BenchSettings settings = setting.Settings;
        screen.WriteLine((
            $"PacketMQ {BenchEnvironment.Version}, {RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}, "
            + Plural(Environment.ProcessorCount, "processor"), Colours.Title));
        string server = setting.ServerProcessId is { } id ? string.Create(CultureInfo.InvariantCulture, $"own process {id} on ") : "";
        screen.WriteLine(
            ($"Server: {server}", null), (setting.Address, Colours.Name),
            ($"; {Plural(settings.Connections, "connection")}, {settings.Duration.TotalSeconds.ToString("0.###", Numbers)} s each", null));
        if (!BenchEnvironment.IsOptimized)
            screen.WriteLine(("This is a debug build; a release build (dotnet run -c Release) is faster.", Colours.Bad));
    }

    /// <inheritdoc/>
    public override void OneWayBegins()
    {
        screen.WriteLine();
        screen.WriteLine(("One way".PadRight(16) + "messages/s".PadLeft(16) + "MB/s".PadLeft(14), Colours.Title));
    }

    /// <inheritdoc/>
    public override void OneWayProgress(int size, double share, OneWayResult? soFar)
        => ShowProgress(SizeLabel(size), share, soFar is null ? null : $"{Whole(soFar.MessageRate)} messages/s");

    /// <inheritdoc/>
    public override void OneWay(OneWayResult result) => screen.WriteLine(
        (SizeLabel(result.Size), null), (Whole(result.MessageRate).PadLeft(16), Colours.Good), (Tenths(result.MegabyteRate).PadLeft(14), null));

    /// <inheritdoc/>
    public override void RoundTripsBegin(int size)
    {
        screen.WriteLine();
        screen.WriteLine((
            $"{Plural(size, "byte")} and back".PadRight(22) + "per second".PadLeft(10)
            + "p50 µs".PadLeft(9) + "p90".PadLeft(9) + "p99".PadLeft(9) + "p99.9".PadLeft(9) + "max".PadLeft(11), Colours.Title));
    }

    /// <inheritdoc/>
    public override void RoundTripsProgress(int window, double share, EchoResult? soFar) => ShowProgress(
        WindowLabel(window), share,
        soFar is not { Latency.Count: > 0 } ? null : $"{Whole(soFar.Rate)} per second, p50 {Micros(soFar.Latency.Percentile(0.5))} µs");

    /// <inheritdoc/>
    public override void RoundTrips(EchoResult result)
    {
        LatencyHistogram latency = result.Latency;
        screen.WriteLine(
            (WindowLabel(result.Window).PadRight(20), null), (Whole(result.Rate).PadLeft(12), Colours.Good),
            (Micros(latency.Percentile(0.5)).PadLeft(9) + Micros(latency.Percentile(0.9)).PadLeft(9) + Micros(latency.Percentile(0.99)).PadLeft(9)
                + Micros(latency.Percentile(0.999)).PadLeft(9) + Micros(latency.Max).PadLeft(11), null));
    }

    /// <inheritdoc/>
    public override void Ends(BenchResults results)
    {
        screen.ClearStatus();
        if (results.OneAtATime is { } single)
            Draw(single);
        if (!results.IsComplete)
        {
            screen.WriteLine();
            screen.WriteLine(("Not complete: this is what was measured until then.", Colours.End));
        }

        screen.WriteLine();
        Aside("One way: what the server's handler has received, between two packets of the same");
        Aside("stream, on the server's clock. MB: millions of bytes of payload. Round trip:");
        Aside("from before the send until the reply's handler, which sends the next request.");
    }

    private void Draw(EchoResult result)
    {
        IReadOnlyList<(long From, long To, long Count)> rows = LatencyRows.Create(result.Latency);
        long most = rows.Max(row => row.Count);
        screen.WriteLine();
        screen.WriteLine(($"{Plural(result.Latency.Count, "round trip")}, one at a time", Colours.Title));
        foreach ((long from, long to, long count) in rows)
        {
            screen.WriteLine(
                ($"{Micros(from),9} – {Micros(to),9} µs  ", null), (Bar((double)count / most).PadRight(HistogramWidth), Colours.Good),
                ($"{Percent(count, result.Latency.Count),9}", null), ($"{Whole(count),12}", Colours.Aside));
        }
    }

    private void ShowProgress(string label, double share, string? soFar)
    {
        int done = (int)(Math.Clamp(share, 0, 1) * BarWidth);
        screen.ShowStatus(
            (label + "   ", null), (new string('━', done), Colours.Good), (new string('─', BarWidth - done), Colours.Aside),
            ("   ", null), (soFar ?? "warming up", Colours.Aside));
    }

    private void Aside(string text) => screen.WriteLine((text, Colours.Aside));

    /// <summary>A bar in eighths of a character; whatever is there is seen.</summary>
    private static string Bar(double share)
    {
        int eighths = share == 0 ? 0 : Math.Max(1, (int)Math.Round(share * HistogramWidth * 8));
        string rest = eighths % 8 == 0 ? "" : ((char)('█' + 8 - eighths % 8)).ToString();
        return new string('█', eighths / 8) + rest;
    }

    private static string Percent(long count, long all)
    {
        double percent = 100.0 * count / all;
        return count > 0 && percent < 0.01 ? "< 0.01 %" : percent.ToString("0.00", Numbers) + " %";
    }

    private static string SizeLabel(int size) => $"{Whole(size),8} {(size == 1 ? "byte" : "bytes")}".PadRight(16);

    private static string WindowLabel(int window) => window == 1 ? "  one at a time" : $"  {Whole(window)} under way";

    private static string Plural(long count, string what) => $"{Whole(count)} {what}{(count == 1 ? "" : "s")}";

    private static string Micros(long nanoseconds) => Tenths(nanoseconds / 1e3);

    private static string Whole(double number) => number.ToString("#,0", Numbers);

    private static string Tenths(double number) => number.ToString("#,0.0", Numbers);
}
