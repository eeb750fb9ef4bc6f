using PolyType;

namespace PacketMQ.Fuzz.Targets;

[GenerateShape]
public readonly partial record struct FuzzPosition(int X, int Y, double Speed, bool Up);

[GenerateShape]
public partial record FuzzPlayer(string Name, int Level, FuzzPosition Position)
{
    public string? Title { get; init; }

    public List<string> Tags { get; init; } = [];

    public Dictionary<string, long> Scores { get; init; } = [];

    public byte[]? Avatar { get; init; }

    public FuzzColor Color { get; init; }

    public DateTime? Since { get; init; }

    public FuzzPlayer? Friend { get; init; }
}

public enum FuzzColor
{
    Red = 1,
    Green = 300,
}

[GenerateShape]
public partial class FuzzSettings
{
    public required string Name { get; set; }

    public int[] Values { get; set; } = [];

    public double? Ratio { get; set; }
}

[GenerateShape]
public partial record FuzzLoose(object? Value, Dictionary<string, object?>? More, PacketMap? Map = null);

[GenerateShape]
public partial record FuzzExtended(PacketExtension Extension, PacketExtension? Optional);

[GenerateShape]
public partial record FuzzNumbers(sbyte A, byte B, short C, ushort D, uint E, ulong F, long G, float H, char I, decimal J, Guid K);

[GenerateShapeFor<Dictionary<long, bool>>]
internal sealed partial class FuzzWitness;
