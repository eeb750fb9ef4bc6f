using BenchmarkDotNet.Attributes;

namespace PacketMQ.Benchmarks;

/// <summary>
/// Whole packets through the public API, both ends in this process: sent, handled. One operation is one packet. A burst fits into the
/// send queue, so nobody waits for room, the last method excepted.
/// </summary>
[MemoryDiagnoser]
public class ConnectionBenchmarks
{
    private const int Burst = 5_000;
    private const int LongBurst = 50_000;

    private readonly byte[] _data = new byte[128];
    private readonly BinaryPacket _binary = new();
    private readonly Packet<SampleStruct> _struct = new();
    private readonly Packet<SampleRecord> _record = new();
    private readonly SampleRecord _sample = new(123_456, 0.5);
    private readonly SemaphoreSlim _all = new(0);
    private Peer _server = null!;
    private Peer _client = null!;
    private Connection _connection = null!;
    private int _left;

    public enum Over
    {
        Memory,
        Tcp,
    }

    [ParamsAllValues]
    public Over Transport { get; set; }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        var near = new PacketRegistry(adaptPacketIds: true);
        near.AddPacket("bench:binary", _binary, 16);
        near.AddPacket("bench:struct", _struct, 17);
        near.AddPacket("bench:record", _record, 18);
        var far = new PacketRegistry();
        far.AddPacket("bench:binary", new BinaryPacket((_, _) => Count()), 16);
        far.AddPacket("bench:struct", new Packet<SampleStruct>((_, _) => Count()), 17);
        far.AddPacket("bench:record", new Packet<SampleRecord>((_, _) => Count()), 18);
        if (Transport == Over.Memory)
        {
            var server = new MemoryServer(far);
            var client = new MemoryClient(near);
            _connection = await client.ConnectAsync(server);
            (_server, _client) = (server, client);
        }
        else
        {
            var server = new Server(far);
            var client = new Client(near);
            _connection = await client.ConnectAsync("127.0.0.1", server.Listen(0).Port);
            (_server, _client) = (server, client);
        }
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
        _left = Burst;
        for (int i = 0; i < Burst; i++)
            await _connection.SendAsync(_binary, _data);
        await _all.WaitAsync();
    }

    [Benchmark(OperationsPerInvoke = Burst)]
    public async Task TypedStructAsync()
    {
        _left = Burst;
        for (int i = 0; i < Burst; i++)
            await _connection.SendAsync(_struct, new SampleStruct(i, 0.5));
        await _all.WaitAsync();
    }

    /// <summary>The receiver allocates the object, 32 B; the sender sends the same one over and over.</summary>
    [Benchmark(OperationsPerInvoke = Burst)]
    public async Task TypedRecordAsync()
    {
        _left = Burst;
        for (int i = 0; i < Burst; i++)
            await _connection.SendAsync(_record, _sample);
        await _all.WaitAsync();
    }

    /// <summary>Ten times the burst: now and then the sender has to wait for room.</summary>
    [Benchmark(OperationsPerInvoke = LongBurst)]
    public async Task OpaqueUnderPushBackAsync()
    {
        _left = LongBurst;
        for (int i = 0; i < LongBurst; i++)
            await _connection.SendAsync(_binary, _data);
        await _all.WaitAsync();
    }

    private void Count()
    {
        if (--_left == 0)
            _all.Release();
    }
}
