namespace PeerBench;

/// <summary>What is asked of packetmq, or of one of its variants, in one metric.</summary>
/// <param name="Workload">As in results.jsonl, with <paramref name="Payload"/> and <paramref name="Metric"/>.</param>
/// <param name="Baseline">The peer whose figure of the same round is divided by or subtracted; null: the figure itself counts.</param>
/// <param name="Bound">The target.</param>
/// <param name="IsCeiling">The target is the most that is allowed; otherwise the least.</param>
/// <param name="Subtracts">The measure is what packetmq has more than the baseline, not the ratio.</param>
public sealed record Target(
    string Workload, string Payload, string Metric, string? Baseline, double Bound, bool IsCeiling = false, bool Subtracts = false)
{
    public const string Subject = "packetmq";

    /// <summary>Who is measured: <see cref="Subject"/>, or it with other options.</summary>
    public string Peer { get; init; } = Subject;

    /// <summary>Whether a peer is the subject, a variant of it, or a ceiling, so that it is no other library.</summary>
    public static bool IsOwnOrCeiling(string peer) => peer.StartsWith(Subject) || peer.StartsWith("raw-");

    public static readonly Target[] All =
    [
        new("W1", "16", "msgs_per_s", "raw-framed", 0.40),
        new("W1", "128", "msgs_per_s", "raw-framed", 0.70),
        new("W1", "1024", "msgs_per_s", "raw-framed", 0.45),
        new("W1", "65536", "msgs_per_s", "raw-framed", 0.70),
        new("W1m", "map", "msgs_per_s", "raw-framed-nerdbank", 0.90),
        new("W1m", "map", "msgs_per_s", "signalr-msgpack", 4),
        new("W2", "32", "p50_us", "raw-pingpong", 1.10, IsCeiling: true),
        new("W2b", "32", "rt_per_s", "raw-framed", 0.70),
        new("W3", "128", "deliveries_per_s", "raw-framed", 0.50),
        new("W4", "32", "rss_per_conn", null, 7, IsCeiling: true),
        new("W5", "128", "alloc_sender", null, 0.1, IsCeiling: true),
        new("W5", "128", "alloc_receiver", null, 0.1, IsCeiling: true),
        new("W5", "128", "cpu_sender", "raw-framed", 3, IsCeiling: true),
        new("W5", "128", "cpu_receiver", "raw-framed", 3, IsCeiling: true),
        new("W5", "map", "alloc_sender", null, 0.1, IsCeiling: true),
        new("W5", "map", "alloc_receiver", "raw-framed-nerdbank", 0.1, IsCeiling: true, Subtracts: true),
        new("W1", "128", "msgs_per_s", "raw-tls-framed", 0.80) { Peer = "packetmq-tls" },
        new("W1", "65536", "msgs_per_s", "raw-tls-framed", 0.80) { Peer = "packetmq-tls" },
    ];

    /// <summary>The peer that a figure is divided by in the tables.</summary>
    public static string BaselineOf(string workload, string payload)
        => workload == "W2" ? "raw-pingpong" : payload == "map" ? "raw-framed-nerdbank" : "raw-framed";

    /// <summary>Whether less of a metric is better.</summary>
    public static bool LessIsBetter(string metric) => !metric.Contains("_per_s");

    public bool IsMetBy(double measure) => IsCeiling ? measure <= Bound : measure >= Bound;
}
