using System.Runtime.InteropServices;
using System.Text.Json;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool.Bench;

/// <summary>What the measurements tell scripts: one object at the end. docs/command.md lists the fields.</summary>
internal sealed class JsonBenchReport(JsonLines lines) : BenchReport
{
    private BenchSetting? _setting;

    /// <inheritdoc/>
    public override void Begins(BenchSetting setting) => _setting = setting;

    /// <inheritdoc/>
    public override void Ends(BenchResults results) => lines.Write("bench", null, json =>
    {
        BenchSetting setting = _setting!;
        json.WriteBoolean("complete", results.IsComplete);
        json.WriteString("version", BenchEnvironment.Version);
        json.WriteBoolean("optimized", BenchEnvironment.IsOptimized);
        json.WriteString("runtime", RuntimeInformation.FrameworkDescription);
        json.WriteString("platform", RuntimeInformation.RuntimeIdentifier);
        json.WriteNumber("processors", Environment.ProcessorCount);
        json.WriteString("address", setting.Address);
        if (setting.ServerProcessId is { } processId)
            json.WriteNumber("serverProcess", processId);
        json.WriteNumber("connections", setting.Settings.Connections);
        json.WriteNumber("duration", setting.Settings.Duration.TotalSeconds);
        json.WriteStartArray("oneWay");
        foreach (OneWayResult result in results.OneWay)
            Write(json, result);
        json.WriteEndArray();
        json.WriteStartArray("roundTrips");
        if (results.OneAtATime is { } single)
            Write(json, single);
        if (results.Pipelined is { } pipelined)
            Write(json, pipelined);
        json.WriteEndArray();
    });

    private static void Write(Utf8JsonWriter json, OneWayResult result)
    {
        json.WriteStartObject();
        json.WriteNumber("size", result.Size);
        json.WriteNumber("messages", result.Messages);
        json.WriteNumber("bytes", result.Bytes);
        WriteRounded(json, "seconds", result.Seconds, 6);
        WriteRounded(json, "messagesPerSecond", result.MessageRate, 1);
        WriteRounded(json, "megabytesPerSecond", result.MegabyteRate, 3);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, EchoResult result)
    {
        LatencyHistogram latency = result.Latency;
        json.WriteStartObject();
        json.WriteNumber("size", result.Size);
        json.WriteNumber("window", result.Window);
        json.WriteNumber("count", latency.Count);
        WriteRounded(json, "seconds", result.Seconds, 6);
        WriteRounded(json, "perSecond", result.Rate, 1);
        json.WriteStartObject("microseconds");
        foreach ((string name, long nanoseconds) in new[]
        {
            ("min", latency.Min), ("p50", latency.Percentile(0.5)), ("p90", latency.Percentile(0.9)), ("p99", latency.Percentile(0.99)),
            ("p99.9", latency.Percentile(0.999)), ("max", latency.Max),
        })
        {
            WriteRounded(json, name, nanoseconds / 1e3, 3);
        }

        json.WriteEndObject();
        json.WriteStartArray("histogram");
        foreach ((long from, long to, long count) in LatencyRows.Create(latency))
        {
            json.WriteStartObject();
            WriteRounded(json, "from", from / 1e3, 3);
            WriteRounded(json, "to", to / 1e3, 3);
            json.WriteNumber("count", count);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteRounded(Utf8JsonWriter json, string name, double value, int digits) => json.WriteNumber(name, Math.Round(value, digits));
}
