using BenchmarkDotNet.Attributes;
using PacketMQ.Dispatch;

namespace PacketMQ.Benchmarks;

/// <summary>Look-ups in a registry (under its lock) and in a connection's routes (without one).</summary>
[MemoryDiagnoser]
public class RegistryBenchmarks
{
    private readonly PacketRegistry _registry = new();
    private readonly BinaryPacket _packet = new();
    private PacketRoutes _routes = null!;

    [Params(2, 500)]
    public int Packets { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _registry.AddPacket("bench:target", _packet, 16);
        for (int i = 1; i < Packets; i++)
            _registry.AddPacket($"bench:packet{i}", new BinaryPacket(), 16 + i);
        _routes = _registry.Snapshot().Own;
    }

    [Benchmark]
    public int IdByName() => _registry.GetId("bench:target");

    [Benchmark]
    public int IdByObject() => _registry.GetId(_packet);

    [Benchmark]
    public bool RouteByWireId() => _routes.TryGetByWireId(16, out _);

    [Benchmark]
    public bool RouteByObject() => _routes.TryGet(_packet, out _);

    [Benchmark]
    public bool RouteByName() => _routes.TryGet((PacketKey)"bench:target", out _);
}
