namespace PacketMQ.Fuzz;

/// <summary>The map that SharpFuzz's instrumentation counts branches in: one byte for each pair of branches, by a hash of the two.</summary>
internal static unsafe class CoverageMap
{
    public const int Bytes = 65_536;

    /// <summary>Lets the instrumented code count in memory of somebody else, which must live as long as the process.</summary>
    public static void Use(byte* map) => SharpFuzz.Common.Trace.SharedMem = map;

    /// <summary>What follows begins at no branch: the same input leaves the same counts.</summary>
    public static void BeginInput() => SharpFuzz.Common.Trace.PrevLocation = 0;
}
