namespace PacketMQ.Fuzz.Targets;

/// <summary>One thing that takes bytes from a stranger. Any exception that gets out is a finding.</summary>
/// <param name="Name">As the command line names it; its seeds have the same name.</param>
/// <param name="Run">Takes any input. The memory may be used again after the call.</param>
internal sealed record FuzzTarget(string Name, Action<ReadOnlyMemory<byte>> Run)
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("frames", FrameTarget.Run),
        new("payload", PayloadTarget.Run),
        new("typed", TypedTarget.Run),
        new("session", SessionTarget.Run),
        new("control", ControlTarget.Run),
        new("ahead", ReadAheadTarget.Run),
        new("records", TlsRecordsTarget.Run),
    ];
}
