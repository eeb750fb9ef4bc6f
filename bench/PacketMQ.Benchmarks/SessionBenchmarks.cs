using System.Buffers;
using System.Collections.Immutable;
using BenchmarkDotNet.Attributes;
using PacketMQ.Wire;

namespace PacketMQ.Benchmarks;

/// <summary>Sessions without transport and dispatch: packets of 128 B to an active one (one operation is one packet), and both sides of a handshake.</summary>
[MemoryDiagnoser]
public class SessionBenchmarks
{
    private const int Frames = 1_000;

    private readonly ArrayBufferWriter<byte> _toNear = new(64 * 1024);
    private readonly ArrayBufferWriter<byte> _toFar = new(64 * 1024);
    private readonly Contract _two = Packets(2, adapts: false);
    private readonly Contract _twoThere = Packets(2, adapts: true);
    private readonly Contract _hundred = Packets(100, adapts: false);
    private readonly Contract _hundredThere = Packets(100, adapts: true);
    private byte[] _batch = [];
    private Session _session = null!;

    [GlobalSetup]
    public void Setup()
    {
        _batch = OpaquePayload.Batch(Frames, OpaquePayload.Of(128));
        _session = ShakeHands(_two, _twoThere);
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int PacketInSequence()
    {
        var input = new ReadOnlySequence<byte>(_batch);
        int packets = 0;
        while (_session.TryRead(ref input, _toNear, out SessionEvent read))
            packets += read.PacketId;
        return packets;
    }

    [Benchmark(OperationsPerInvoke = Frames)]
    public int PacketInSpan()
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

    [Benchmark]
    public object HandshakeOf2Packets() => ShakeHands(_two, _twoThere);

    [Benchmark]
    public object HandshakeOf100Packets() => ShakeHands(_hundred, _hundredThere);

    private Session ShakeHands(Contract here, Contract there)
    {
        var near = new Session(here, new SessionLimits());
        var far = new Session(there, new SessionLimits());
        near.Start(_toFar);
        far.Start(_toNear);
        while (near.State != SessionState.Active || far.State != SessionState.Active)
        {
            Deliver(_toFar, far, _toNear);
            Deliver(_toNear, near, _toFar);
        }

        return near;
    }

    private static void Deliver(ArrayBufferWriter<byte> from, Session to, ArrayBufferWriter<byte> replies)
    {
        var input = new ReadOnlySequence<byte>(from.WrittenMemory);
        while (to.TryRead(ref input, replies, out _))
        {
        }

        from.ResetWrittenCount();
    }

    private static Contract Packets(int count, bool adapts)
        => new(adapts, [.. Enumerable.Range(0, count).Select(i => new PacketDeclaration($"bench:packet{i}", OpaquePayload.PacketId + i))]);
}
