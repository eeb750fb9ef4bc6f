using System.Buffers;
using Nerdbank.MessagePack;
using PacketMQ.Serialization;
using PolyType;

namespace PacketMQ.Tests.Serialization;

[GenerateShape]
public readonly partial record struct Position(int X, int Y, double Speed, bool Up);

[GenerateShape]
public partial record Player(string Name, int Level, Position Position)
{
    public string? Title { get; init; }

    public List<string> Tags { get; init; } = [];

    public Dictionary<string, long> Scores { get; init; } = [];

    public byte[]? Avatar { get; init; }

    public Color Color { get; init; }

    public DateTime? Since { get; init; }

    public Player? Friend { get; init; }
}

public enum Color
{
    Red = 1,
    Green = 300,
}

[GenerateShape]
public partial class Settings
{
    public required string Name { get; set; }

    public int[] Values { get; set; } = [];

    public double? Ratio { get; set; }
}

[GenerateShape]
public partial record Loose(object? Value, Dictionary<string, object?>? More);

[GenerateShape]
public partial record Mapped(PacketMap Map, PacketMap? Optional);

[GenerateShape]
public partial record Chained(Chained? Next, int Number);

[GenerateShape]
public partial record Strict
{
    private readonly int _percent;

    public int Percent
    {
        get => _percent;
        init => _percent = value is >= 0 and <= 100 ? value : throw new ArgumentException("Percent \u001b must be 0 to 100.");
    }
}

[GenerateShape]
public partial record Flaky
{
    public string Text
    {
        get => throw new InvalidOperationException("The text is gone.");
        init => _ = value;
    }
}

/// <summary>Reads another payload, with dynamic members too, while it is read itself.</summary>
[GenerateShape]
public partial class Envelope
{
    private byte[] _letter = [];

    public object? Before { get; set; }

    public byte[] Letter
    {
        get => _letter;
        set => (_letter, Read) = (value, TypedCodec<Loose>.Create().Read(new ReadOnlySequence<byte>(value), hasBinaryKeys: false, maxExpansion: 0));
    }

    public object? After { get; set; }

    [PropertyShape(Ignore = true)]
    public Loose? Read { get; set; }
}

[GenerateShape]
public partial record UnreadEnvelope(object? Before, byte[] Letter, object? After);

[GenerateShape]
public partial record struct Moment(DateTime Time);

[GenerateShape]
public partial record Exact(decimal Amount, Guid Id);

[GenerateShape]
public partial record Extended(PacketExtension Extension, PacketExtension? Optional);

[GenerateShape]
public partial record Foreign(Extension Extension, MessagePackValue Value);

[GenerateShapeFor<Dictionary<long, bool>>]
internal sealed partial class Witness;

public sealed record Shapeless(int X);
