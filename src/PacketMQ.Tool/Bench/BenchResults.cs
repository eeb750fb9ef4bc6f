namespace PacketMQ.Tool.Bench;

/// <summary>Between whom is measured.</summary>
/// <param name="Address">The server's.</param>
/// <param name="ServerProcessId">The bench's own server process; null: somebody else's server.</param>
/// <param name="Settings">What is measured.</param>
internal sealed record BenchSetting(string Address, int? ServerProcessId, BenchSettings Settings);

/// <summary>One-way throughput, as the server counted it.</summary>
/// <param name="Size">The payload of each message, in bytes.</param>
/// <param name="Messages">How many messages the server received.</param>
/// <param name="Bytes">Their payloads together.</param>
/// <param name="Seconds">In which time, on the server's clock.</param>
internal sealed record OneWayResult(int Size, long Messages, long Bytes, double Seconds)
{
    /// <summary>Messages a second.</summary>
    public double MessageRate => Messages / Seconds;

    /// <summary>Payload in millions of bytes a second.</summary>
    public double MegabyteRate => Bytes / Seconds / 1e6;
}

/// <summary>Round trips.</summary>
/// <param name="Size">The payload of each message, in bytes.</param>
/// <param name="Window">How many were under way on each connection.</param>
/// <param name="Seconds">In which time, on the client's clock.</param>
/// <param name="Latency">How long each took.</param>
internal sealed record EchoResult(int Size, int Window, double Seconds, LatencyHistogram Latency)
{
    /// <summary>Round trips a second.</summary>
    public double Rate => Latency.Count / Seconds;
}

/// <summary>Everything that was measured so far.</summary>
internal sealed class BenchResults
{
    /// <summary>One for each size.</summary>
    public List<OneWayResult> OneWay { get; } = [];

    /// <summary>One round trip at a time.</summary>
    public EchoResult? OneAtATime { get; set; }

    /// <summary>Several round trips at a time.</summary>
    public EchoResult? Pipelined { get; set; }

    /// <summary>Whether everything was measured as long as it should be.</summary>
    public bool IsComplete { get; set; }
}
