namespace PacketMQ.Wire;

/// <summary>What a session accepts from the other side. Lengths count a frame's type and payload (protocol, "Frame").</summary>
internal sealed record SessionLimits
{
    /// <summary>Until INIT was received, and for every control packet but the id map.</summary>
    public int MaxHandshakeFrameBytes { get; init; } = 4_096;

    /// <summary>While the id map (PUBIDS) is awaited.</summary>
    public int MaxIdMapFrameBytes { get; init; } = 99_999;

    /// <summary>Once active.</summary>
    public int MaxFrameBytes { get; init; } = 1_048_576;

    public int MaxDepth { get; init; } = 64;

    public int MaxItemsPerPacket { get; init; } = 65_536;

    public int MaxPacketTypes { get; init; } = 4_096;

    /// <summary>On the adapting side: names that only one side has do not end the connection.</summary>
    public bool AllowUnequalPackets { get; init; }
}
