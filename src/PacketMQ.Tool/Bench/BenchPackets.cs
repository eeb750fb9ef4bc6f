using PolyType;

namespace PacketMQ.Tool.Bench;

/// <summary>What a server has received on one connection so far.</summary>
/// <param name="Messages">How many <see cref="BenchPackets.Sink"/> packets.</param>
/// <param name="Bytes">Their payloads together.</param>
/// <param name="Seconds">The server's own clock at the moment of counting.</param>
[GenerateShape]
internal partial record struct BenchCount(long Messages, long Bytes, double Seconds);

/// <summary>The packets that both sides of a measurement have.</summary>
internal static class BenchPackets
{
    /// <summary>To the server: bytes that it counts and drops.</summary>
    public const string Sink = "bench:sink";

    /// <summary>To the server: asks how much has come. As packets keep their order, the answer holds everything sent before.</summary>
    public const string Count = "bench:count";

    /// <summary>From the server: a <see cref="BenchCount"/>.</summary>
    public const string Counted = "bench:counted";

    /// <summary>Both ways: bytes that the server sends back.</summary>
    public const string Echo = "bench:echo";

    private const int FirstId = 65_401; // far from those that people choose

    /// <summary>The longest payload: the largest frame that is sent, less the packet's id and the header of BIN.</summary>
    public const int MaxPayloadBytes = 99_999 - 2 - 5;

    /// <summary>All of them, in the order of their ids.</summary>
    public static readonly IReadOnlyList<string> Names = [Sink, Count, Counted, Echo];

    /// <summary>The same as <c>packetmq serve</c> lists them.</summary>
    public static IEnumerable<ServedPacket> Served => Names.Select(name => new ServedPacket(name, IdOf(name), ServedPacketKind.Bench));

    /// <summary>Registers one of them.</summary>
    /// <exception cref="ArgumentException">Its name or id is taken.</exception>
    public static void Add(PacketRegistry registry, string name, Packet packet) => registry.AddPacket(name, packet, IdOf(name));

    /// <summary>The id on the server's side, which keeps its own.</summary>
    public static int IdOf(string name) => FirstId + Array.IndexOf([.. Names], name);
}
