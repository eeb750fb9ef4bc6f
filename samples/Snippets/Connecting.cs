using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace PacketMQ.Samples.Snippets;

internal static class Connecting
{
    public static async Task RunAsync()
    {
        PacketRegistry registry = Registry(adapt: false);
        PacketRegistry clientRegistry = Registry(adapt: true);

        // <connecting-ports>
        await using var server = new Server(registry);
        IPEndPoint first = server.Listen(0);                      // all interfaces, IPv6 and IPv4; 0: a free port
        server.Listen(new IPEndPoint(IPAddress.Loopback, 0));     // only this machine
        IReadOnlyList<EndPoint> endPoints = server.EndPoints;     // both, with their real ports
        // </connecting-ports>
        Check.That(endPoints.Count == 2);

        await using var second = new Server(registry);
        int firstPort = first.Port;
        int secondPort = second.Listen(0).Port;
        PacketKey packet = "myapplication:mypacket";
        object? data = "hello";
        // <connecting-servers>
        await using var client = new Client(clientRegistry);
        Connection one = await client.ConnectAsync("localhost", firstPort);
        Connection two = await client.ConnectAsync("localhost", secondPort);

        await client.SendAsync(packet, data);          // to the first connected server
        await client.SendAsync(packet, data, to: two); // to this one
        // </connecting-servers>
        Check.That(client.DefaultConnection == one);

        string path = Path.Combine(Path.GetTempPath(), $"packetmq-{Environment.ProcessId}.sock");
        // <connecting-unix>
        var endPoint = new UnixDomainSocketEndPoint(path);
        server.Listen(endPoint);
        await client.ConnectAsync(endPoint);
        // </connecting-unix>

        // <connecting-memory>
        await using var memoryServer = new MemoryServer(registry);
        await using var memoryClient = new MemoryClient(clientRegistry);
        await memoryClient.ConnectAsync(memoryServer);
        await memoryClient.SendAsync(packet, data);
        await memoryClient.DisconnectAsync(memoryServer); // reason.generic, with all callbacks on both sides
        // </connecting-memory>

        (Stream here, Stream there) = await StreamPairAsync();
        Stream stream = here;
        Task<Connection> other = memoryServer.AttachAsync(new StreamPipe(there));
        // <connecting-attach>
        Connection attached = await client.AttachAsync(new StreamPipe(stream));
        // </connecting-attach>
        await other;
        Check.That(attached.State == ConnectionState.Active);

        ILoggerFactory loggerFactory = NullLoggerFactory.Instance;
        // <connecting-options>
        var options = new PeerOptions
        {
            MaxFrameBytes = 65_536,
            SendTimeout = TimeSpan.FromSeconds(3),
            PacketLog = new PacketLog(capacity: 100),
            LoggerFactory = loggerFactory,
        };
        await using var small = new Server(registry, options);
        // </connecting-options>

        await using var callbacks = new CountingServer(registry);
        callbacks.Listen(0);
        Check.That(callbacks.Count == 0);
    }

    private static PacketRegistry Registry(bool adapt)
    {
        var registry = new PacketRegistry(adapt);
        registry.AddPacket("myapplication:mypacket", new PrintPacket(), 17);
        return registry;
    }

    private static async Task<(Stream, Stream)> StreamPairAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        TcpClient accepted = await listener.AcceptTcpClientAsync();
        return (client.GetStream(), accepted.GetStream());
    }
}

// <connecting-stream-pipe>
public sealed class StreamPipe(Stream stream) : IDuplexPipe, IAsyncDisposable
{
    public PipeReader Input { get; } = PipeReader.Create(stream);

    public PipeWriter Output { get; } = PipeWriter.Create(stream);

    public ValueTask DisposeAsync() => stream.DisposeAsync(); // called at the connection's end
}
// </connecting-stream-pipe>

// <connecting-callbacks>
public sealed class CountingServer(PacketRegistry registry) : Server(registry)
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    protected override ValueTask OnConnectionMadeAsync(Connection connection)
    {
        Interlocked.Increment(ref _count); // connections run side by side
        return default;
    }

    protected override ValueTask OnConnectionLostAsync(Connection connection, CloseInfo closeInfo)
    {
        Interlocked.Decrement(ref _count);
        return default;
    }
}
// </connecting-callbacks>
