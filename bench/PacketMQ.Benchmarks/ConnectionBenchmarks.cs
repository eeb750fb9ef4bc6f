using BenchmarkDotNet.Attributes;
using PolyType;

namespace PacketMQ.Benchmarks;

/// <summary>Whole packets through the public API over TCP on loopback, both ends in this process. One operation is one packet, sent and handled.</summary>
[MemoryDiagnoser]
public class ConnectionBenchmarks
{
    private const int Burst = 20_000;

    private readonly byte[] _data = new byte[128];
    private readonly BinaryPacket _binary = new();
    private readonly Packet<SampleStruct> _struct = new();
    private readonly Packet<SampleClass> _class = new();
    private readonly SampleClass _sample = new() { I = 123_456, Name = "abcdefgh", X = 0.5 };
    private readonly SemaphoreSlim _all = new(0);
    private Server _server = null!;
    private Client _client = null!;
    private Connection _connection = null!;
    private int _received;

    [GlobalSetup]
    public async Task SetupAsync()
    {
        var serverRegistry = new PacketRegistry();
        serverRegistry.AddPacket("bench:binary", new BinaryPacket((_, _) => Count()), 16);
        serverRegistry.AddPacket("bench:struct", new Packet<SampleStruct>((_, _) => Count()), 17);
        serverRegistry.AddPacket("bench:class", new Packet<SampleClass>((_, _) => Count()), 18);
        var clientRegistry = new PacketRegistry(adaptPacketIds: true);
        clientRegistry.AddPacket("bench:binary", _binary, 16);
        clientRegistry.AddPacket("bench:struct", _struct, 17);
        clientRegistry.AddPacket("bench:class", _class, 18);
        _server = new Server(serverRegistry);
        _client = new Client(clientRegistry);
        _connection = await _client.ConnectAsync("127.0.0.1", _server.Listen(0).Port);
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        await _client.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public async Task OpaqueAsync()
    {
        for (int i = 0; i < Burst; i++)
            await _connection.SendAsync(_binary, _data);
        await _all.WaitAsync();
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public async Task TypedStructAsync()
    {
        for (int i = 0; i < Burst; i++)
            await _connection.SendAsync(_struct, new SampleStruct(i, 0.5));
        await _all.WaitAsync();
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public async Task TypedClassAsync()
    {
        for (int i = 0; i < Burst; i++)
            await _connection.SendAsync(_class, _sample);
        await _all.WaitAsync();
    }

    private void Count()
    {
        if (++_received % Burst == 0)
            _all.Release();
    }
}
