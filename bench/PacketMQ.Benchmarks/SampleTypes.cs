using PolyType;

namespace PacketMQ.Benchmarks;

/// <summary>The map of the peer benchmark's W1m, as a class: the object and its string are 80 B.</summary>
[GenerateShape]
public sealed partial class SampleClass
{
    public int I { get; set; }

    public required string Name { get; set; }

    public double X { get; set; }
}

/// <summary>The same as a struct, without the string: nothing of it is allocated.</summary>
[GenerateShape]
public partial record struct SampleStruct(int I, double X);

/// <summary>The same as a record: the object is 32 B.</summary>
[GenerateShape]
public sealed partial record SampleRecord(int I, double X);
