using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Plain text beyond this machine is said once, or is an error.</summary>
public sealed class PlainTextTests
{
    private readonly FakeLogCollector _log = new();

    private PeerOptions Logging => new() { LoggerFactory = new Journal(_log) };

    [Theory]
    [InlineData("127.0.0.1", false)]
    [InlineData("127.9.9.9", false)]
    [InlineData("::1", false)]
    [InlineData("::ffff:127.0.0.1", false)]
    [InlineData("0.0.0.0", true)]
    [InlineData("::", true)]
    [InlineData("::ffff:192.0.2.7", true)]
    [InlineData("192.0.2.7", true)]
    [InlineData("10.0.0.1", true)]
    [InlineData("fe80::1", true)]
    public void The_loopback_interface_does_not_leave_the_machine(string address, bool leaves)
        => Assert.Equal(leaves, PlainText.LeavesTheMachine(new IPEndPoint(IPAddress.Parse(address), 1)));

    [Fact]
    public async Task A_server_that_listens_beyond_this_machine_says_so_once()
    {
        await using var server = new Server(new PacketRegistry(), Logging);
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        server.Listen(new UnixDomainSocketEndPoint(path));
        Assert.Empty(Warnings(115));

        IPEndPoint endPoint = server.Listen(0);
        server.Listen(0);
        FakeLogRecord warning = Assert.Single(Warnings(115));
        Assert.StartsWith($"Listening on {endPoint} in plain text: ", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Whoever_is_told_may_ask_the_server_from_another_thread()
    {
        Server? server = null;
        var endPoints = new List<EndPoint>();
        using var logger = new AskingLogger(() =>
        {
            Task<IReadOnlyList<EndPoint>> asking = Task.Run(() => server!.EndPoints);
            if (asking.Wait(Bounded.Limit))
                endPoints.AddRange(asking.Result);
        });
        await using (server = new Server(new PacketRegistry(), new PeerOptions { LoggerFactory = logger }))
            Assert.Equal([server.Listen(0)], endPoints);
    }

    [Fact]
    public async Task With_tls_there_is_nothing_to_say()
    {
        await using var server = new Server(new PacketRegistry(), Logging with { Tls = TestTls.ForServers, RequireTls = true });
        server.Listen(0);
        Assert.Empty(Warnings(115));
    }

    [Fact]
    public async Task A_client_that_connects_beyond_this_machine_says_so_once()
    {
        IPAddress outside = OutsideAddress.FindOrSkip();
        await using var server = new Server(Registries.Server(Registries.Sink()));
        await using var client = new Client(Registries.Client(Registries.Sink()), Logging);
        int port = server.Listen(0).Port;

        await client.ConnectAsync("localhost", port).Soon();
        Assert.Empty(Warnings(116));
        await client.ConnectAsync(new IPEndPoint(outside, port)).Soon();
        await client.ConnectAsync(new IPEndPoint(outside, port)).Soon();
        FakeLogRecord warning = Assert.Single(Warnings(116));
        Assert.StartsWith($"Connected to {outside}:{port} in plain text: ", warning.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_requires_tls_attaches_no_stream_and_keeps_it()
    {
        await using var client = new Client(new PacketRegistry(adaptPacketIds: true), new PeerOptions { Tls = TestTls.ForClients, RequireTls = true });
        (IDuplexPipe near, _) = PeerPair.CrossedPipes();
        var refused = Assert.Throws<InvalidOperationException>(() => { _ = client.AttachAsync(near); });
        Assert.Contains(nameof(PeerOptions.RequireTls), refused.Message, StringComparison.Ordinal);
        Assert.False((await near.Output.FlushAsync()).IsCompleted);
    }

    private IEnumerable<FakeLogRecord> Warnings(int id) => _log.GetSnapshot().Where(line => line.Id.Id == id && line.Level == LogLevel.Warning);

    /// <summary>Does something whenever a line is written.</summary>
    private sealed class AskingLogger(Action ask) : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public bool IsEnabled(LogLevel logLevel) => true;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
            => null;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => ask();

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
