using System.Buffers;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using PacketMQ.Dispatch;
using PacketMQ.Serialization;

namespace PacketMQ.Benchmarks;

/// <summary>From a checked payload to the handler's return: the packet under its id, the decoding, the call.</summary>
[MemoryDiagnoser]
public class DispatchBenchmarks
{
    private readonly MemoryServer _server;
    private readonly MemoryClient _client;
    private ReadOnlySequence<byte> _opaque;
    private ReadOnlySequence<byte> _struct;
    private ReadOnlySequence<byte> _record;
    private PacketDispatcher _dispatcher;
    private PacketRoute? _lastRoute;
    private double _sum;

    public DispatchBenchmarks()
    {
        _server = new MemoryServer(Registry(adapt: false));
        _client = new MemoryClient(Registry(adapt: true));
    }

    [GlobalSetup]
    public async Task SetupAsync()
    {
        _opaque = new(OpaquePayload.Of(128));
        var buffer = new ArrayBufferWriter<byte>();
        TypedCodec<SampleStruct>.Create().Write(buffer, new SampleStruct(123_456, 0.5));
        _struct = new(buffer.WrittenSpan.ToArray());
        buffer.Clear();
        TypedCodec<SampleRecord>.Create().Write(buffer, new SampleRecord(123_456, 0.5));
        _record = new(buffer.WrittenSpan.ToArray());
        Connection connection = await _client.ConnectAsync(_server);
        _dispatcher = new PacketDispatcher(connection);
    }

    [GlobalCleanup]
    public async Task CleanupAsync()
    {
        await _client.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Benchmark]
    public void Opaque() => Dispatch(16, _opaque);

    [Benchmark]
    public void TypedStruct() => Dispatch(17, _struct);

    [Benchmark]
    public void TypedRecord() => Dispatch(18, _record);

    /// <summary>The packet is another one each time, so that it is looked up.</summary>
    [Benchmark(OperationsPerInvoke = 2)]
    public void OpaqueAndStructInTurn()
    {
        Dispatch(16, _opaque);
        Dispatch(17, _struct);
    }

    private void Dispatch(int wireId, in ReadOnlySequence<byte> payload)
    {
        ValueTask handling = _dispatcher.DispatchAsync(wireId, payload, hasBinaryKeys: false, ref _lastRoute);
        if (!handling.IsCompletedSuccessfully)
            throw new InvalidOperationException("The handlers complete at once.");
    }

    private PacketRegistry Registry(bool adapt)
    {
        var registry = new PacketRegistry(adapt);
        registry.AddPacket("bench:opaque", new BinaryPacket((data, _) => _sum += data.Length), 16);
        registry.AddPacket("bench:struct", new Packet<SampleStruct>((data, _) => _sum += data.X), 17);
        registry.AddPacket("bench:record", new Packet<SampleRecord>((data, _) => _sum += data.X), 18);
        return registry;
    }
}
