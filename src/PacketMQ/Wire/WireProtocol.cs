using System.Collections.Immutable;

namespace PacketMQ.Wire;

/// <summary>The constants of the wire protocol, version 1 (protocol, "Frame" and "Handshake").</summary>
internal static class WireProtocol
{
    public const int Version = 1;

    /// <summary>A frame's length field. It counts what follows it: the packet id and the payload.</summary>
    public const int LengthBytes = 4;

    public const int PacketIdBytes = 2;

    public const int HeaderBytes = LengthBytes + PacketIdBytes;

    /// <summary>The largest length that a Python peer reads; above it, it cuts the connection at once.</summary>
    public const int MaxLegacyFrameBytes = 99_999;

    public const int InitId = 0;

    public const int SoftQuitId = 1;

    /// <summary>PUBIDS, the packet with a side's id map.</summary>
    public const int IdMapId = 2;

    public const int FinishId = 3;

    /// <summary>Ids 4 to 15 are kept for extensions and are never listed in an id map.</summary>
    public const int FirstApplicationId = 16;

    public const int LastApplicationId = 65_535;

    public const int MaxNameBytes = 255;

    /// <summary>
    /// The four defaults in front of every id map. Their order counts: an adapting Python peer compares the iteration order of its
    /// own dictionary with ours (protocol, "Handshake").
    /// </summary>
    public static ImmutableArray<PacketDeclaration> ControlPackets { get; } =
    [
        new("packetmq:handshake_init", InitId),
        new("packetmq:softquit", SoftQuitId),
        new("packetmq:handshake_pubids", IdMapId),
        new("packetmq:handshake_finish", FinishId),
    ];

    /// <summary>Tells whether <paramref name="name"/> can be listed in an id map.</summary>
    public static bool IsValidName(ReadOnlySpan<char> name)
        => name.Length is > 0 and <= MaxNameBytes && !name.ContainsAnyExceptInRange(' ', '~');
}
