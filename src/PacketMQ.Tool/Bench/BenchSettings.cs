namespace PacketMQ.Tool.Bench;

/// <summary>What is measured, and for how long.</summary>
/// <param name="Sizes">The payloads of the one-way measurements, in bytes. The first is that of the round trips too.</param>
/// <param name="Duration">How long each measurement takes, the warm-up before it not counted.</param>
/// <param name="Connections">How many connections take part, all doing the same.</param>
/// <param name="Window">How many round trips of one connection may be under way in the pipelined measurement.</param>
internal sealed record BenchSettings(IReadOnlyList<int> Sizes, TimeSpan Duration, int Connections, int Window)
{
    // With more under way than may wait for the transport, a peer's handlers would wait for each other instead of the wire.
    private const int MaxBytesUnderWay = 1_048_576;

    private static readonly TimeSpan LongestWarmUp = TimeSpan.FromSeconds(1);

    /// <summary>The payload of the round trips, in bytes.</summary>
    public int EchoSize => Sizes[0];

    /// <summary>How long each measurement runs before it counts: code is compiled for speed meanwhile.</summary>
    public TimeSpan WarmUp => Duration < LongestWarmUp ? Duration : LongestWarmUp;

    /// <summary>The window that is used: as asked for, but at most 1 MiB of payloads.</summary>
    public int EffectiveWindow => Math.Clamp(MaxBytesUnderWay / EchoSize, 1, Window);
}
