using System.Buffers;
using System.Collections.Immutable;
using BenchmarkDotNet.Attributes;
using PacketMQ.Wire;

namespace PacketMQ.Benchmarks;

/// <summary>Frames and sessions, without transport and dispatch. One operation is one frame.</summary>
[MemoryDiagnoser]
public class WireBenchmarks
{
    private const int Frames = 1_000;

    private readonly ArrayBufferWriter<byte> _output = new(16 * 1024 * 1024);
    private readonly ArrayBufferWriter<byte> _replies = new(1024);
    private byte[] _batch = [];
    private byte[] _payload = [];
    private Session _session = null!;

    [Params(16, 128, 1024)]
    public int PayloadBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _payload = new byte[BinaryPacket.MaxHeaderLength + PayloadBytes];
        int header = BinaryPacket.WriteHeader(_payload, PayloadBytes);
        _payload = _payload[..(header + PayloadBytes)];
        var batch = new ArrayBufferWriter<byte>();
        for (int i = 0; i < Frames; i++)
            Write(batch);
        _batch = batch.WrittenSpan.ToArray();
        _session = ActiveSession();
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int WriteFrames()
    {
        _output.ResetWrittenCount();
        for (int i = 0; i < Frames; i++)
            Write(_output);
        return _output.WrittenCount;
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int ReadSequence()
    {
        var input = new ReadOnlySequence<byte>(_batch);
        int packets = 0;
        while (_session.TryRead(ref input, _replies, out SessionEvent read))
            packets += read.PacketId;
        return packets;
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int ReadSpan()
    {
        ReadOnlySpan<byte> input = _batch;
        int packets = 0;
        while (_session.TryReadPacket(input, out int frameBytes, out int packetId, out _))
        {
            packets += packetId;
            input = input[frameBytes..];
        }

        return packets;
    }

    private void Write(ArrayBufferWriter<byte> output)
    {
        FrameWriter.WriteHeader(output, 16, _payload.Length);
        output.Write(_payload);
    }

    private static Session ActiveSession()
    {
        ImmutableArray<PacketDeclaration> packets = [new("bench:opaque", 16)];
        var near = new Session(new Contract(false, packets), new SessionLimits());
        var far = new Session(new Contract(true, packets), new SessionLimits());
        var toNear = new ArrayBufferWriter<byte>();
        var toFar = new ArrayBufferWriter<byte>();
        near.Start(toFar);
        far.Start(toNear);
        while (near.State != SessionState.Active || far.State != SessionState.Active)
        {
            Deliver(toFar, far, toNear);
            Deliver(toNear, near, toFar);
        }

        return near;
    }

    private static void Deliver(ArrayBufferWriter<byte> from, Session to, ArrayBufferWriter<byte> replies)
    {
        var input = new ReadOnlySequence<byte>(from.WrittenSpan.ToArray());
        from.ResetWrittenCount();
        while (to.TryRead(ref input, replies, out _))
        {
        }
    }
}
