using System.Buffers;
using BenchmarkDotNet.Attributes;
using PacketMQ.Wire;

namespace PacketMQ.Benchmarks;

/// <summary>Frames alone: a header before the payload, and finding the next one. One operation is one frame.</summary>
[MemoryDiagnoser]
public class FrameBenchmarks
{
    private const int Frames = 1_000;
    private const int MaxFrameBytes = 1_048_576;

    private readonly ArrayBufferWriter<byte> _output = new(2 * 1024 * 1024);
    private byte[] _batch = [];
    private byte[] _payload = [];

    [Params(16, 128, 1024)]
    public int PayloadBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _payload = OpaquePayload.Of(PayloadBytes);
        _batch = OpaquePayload.Batch(Frames, _payload);
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int Write()
    {
        _output.ResetWrittenCount();
        for (int i = 0; i < Frames; i++)
        {
            FrameWriter.WriteHeader(_output, OpaquePayload.PacketId, _payload.Length);
            _output.Write(_payload);
        }

        return _output.WrittenCount;
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int Read()
    {
        ReadOnlySpan<byte> input = _batch;
        int sum = 0;
        while (FrameReader.TryRead(input, MaxFrameBytes, out int frameBytes, out int packetId))
        {
            sum += packetId;
            input = input[frameBytes..];
        }

        return sum;
    }
}
