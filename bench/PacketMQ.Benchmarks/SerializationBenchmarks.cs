using System.Buffers;
using BenchmarkDotNet.Attributes;
using PacketMQ.Serialization;
using PacketMQ.Wire;

namespace PacketMQ.Benchmarks;

/// <summary>Values to payload bytes and back, and the check that every payload goes through.</summary>
[MemoryDiagnoser]
public class SerializationBenchmarks
{
    private readonly TypedCodec<SampleClass> _class = TypedCodec<SampleClass>.Create();
    private readonly TypedCodec<SampleStruct> _struct = TypedCodec<SampleStruct>.Create();
    private readonly TypedCodec<SampleRecord> _record = TypedCodec<SampleRecord>.Create();
    private readonly SampleRecord _sampleRecord = new(123_456, 0.5);
    private readonly SampleClass _sample = new() { I = 123_456, Name = "abcdefgh", X = 0.5 };
    private readonly Dictionary<string, object?> _dynamic = new() { ["I"] = 123_456, ["Name"] = "abcdefgh", ["X"] = 0.5 };
    private ReadOnlySequence<byte> _classPayload;
    private ReadOnlySequence<byte> _structPayload;

    [GlobalSetup]
    public void Setup()
    {
        var buffer = new ArrayBufferWriter<byte>();
        _class.Write(buffer, _sample);
        _classPayload = new(buffer.WrittenSpan.ToArray());
        buffer.Clear();
        _struct.Write(buffer, new SampleStruct(123_456, 0.5));
        _structPayload = new(buffer.WrittenSpan.ToArray());
    }

    [Benchmark]
    public int EncodeClass()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(1_000, "bench:sample");
        _class.Write(buffer, _sample);
        return buffer.WrittenCount;
    }

    [Benchmark]
    public int EncodeStruct()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(1_000, "bench:sample");
        _struct.Write(buffer, new SampleStruct(123_456, 0.5));
        return buffer.WrittenCount;
    }

    [Benchmark]
    public int EncodeRecord()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(1_000, "bench:sample");
        _record.Write(buffer, _sampleRecord);
        return buffer.WrittenCount;
    }

    [Benchmark]
    public int EncodeDynamic()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(1_000, "bench:sample");
        DynamicCodec.Write(buffer, _dynamic);
        return buffer.WrittenCount;
    }

    [Benchmark]
    public SampleClass DecodeClass() => _class.Read(_classPayload, hasBinaryKeys: false);

    [Benchmark]
    public SampleStruct DecodeStruct() => _struct.Read(_structPayload, hasBinaryKeys: false);

    [Benchmark]
    public SampleRecord DecodeRecord() => _record.Read(_structPayload, hasBinaryKeys: false); // the same map

    [Benchmark]
    public object? DecodeDynamic() => DynamicCodec.Read(_classPayload);

    [Benchmark]
    public bool Scan() => PayloadScanner.Scan(_classPayload.FirstSpan, 64, 65_536);
}
