using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Connections;

/// <summary>Whatever others can cause as often as they like is a line and a count each second.</summary>
public sealed class LogFloodTests
{
    private readonly FakeLogCollector _logs = new();
    private readonly WatchedTime _time = new(); // all in the same second

    private IEnumerable<FakeLogRecord> Lines => _logs.GetSnapshot().Where(record => record.Level > LogLevel.Debug);

    [Fact]
    public async Task A_thousand_short_connections_are_two_lines_and_two_counts()
    {
        const int number = 1_000;
        await using (Server server = NewServer())
        {
            await CrowdAsync(server, number);
            Assert.Equal([ConnectionLog.MadeId, ConnectionLog.EndedId], Lines.Select(line => line.Id.Id));
        }

        Assert.Equal(
            [
                "999 more events 101 like the last one (connections made) were not logged one by one.",
                "999 more events 102 like the last one (the other side quit) were not logged one by one.",
            ],
            Lines.Skip(2).Select(line => line.Message).Order(StringComparer.Ordinal));
        Assert.All(Lines, line => Assert.Equal(LogLevel.Information, line.Level)); // nothing of it is a warning
    }

    [Fact]
    public async Task Callbacks_that_throw_for_every_connection_are_a_line_each()
    {
        await using (Server server = NewServer())
        {
            server.ConnectionMade += (_, _) => throw new InvalidOperationException();
            await CrowdAsync(server, 10, (_, _) => throw new InvalidOperationException());
        }

        Assert.Equal(2, Lines.Count(line => line.Id.Id == ConnectionLog.CallbackFailedId));
        Assert.Equal(2, Lines.Count(line => line.Message.StartsWith("9 more events 106 ", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Connections_that_are_left_behind_are_one_line()
    {
        using var block = new ManualResetEventSlim();
        int entered = 0;
        await using var pair = new PeerPair(Transport.Pipe, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Options);
        await pair.ConnectAsync();
        await pair.ConnectAsync();
        pair.Server.ConnectionLost += (_, _) =>
        {
            Interlocked.Increment(ref entered);
            block.Wait(Bounded.Limit);
        };

        Task stopping = pair.Server.StopAsync();
        await Bounded.UntilAsync(() => Volatile.Read(ref entered) == 2);
        await _time.BeatUntilAsync(() => stopping.IsCompleted);

        Assert.Single(Lines, line => line.Id.Id == ConnectionLog.LeftBehindId);
        block.Set();
    }

    [Fact]
    public async Task An_error_of_the_library_that_happens_on_many_connections_is_one_line()
    {
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()), Options);
        for (int i = 0; i < 3; i++)
            Assert.Equal(CloseReason.InternalError, (await server.Begin(new FaultyTransport())!.Closed.Soon()).Reason);
        Assert.Single(Lines, line => line.Id.Id == ConnectionLog.InternalId);
    }

    private PeerOptions Options => new() { LoggerFactory = new Journal(_logs), TimeProvider = _time };

    private Server NewServer() => new(Registries.Server(Registries.Sink()), Options);

    /// <summary>Clients that get through the handshake and quit at once, each for another reason.</summary>
    private static async Task CrowdAsync(Server server, int number, EventHandler<ConnectionLostEventArgs>? lost = null)
    {
        int ended = 0;
        server.ConnectionLost += (_, _) => Interlocked.Increment(ref ended);
        server.ConnectionLost += lost;
        EndPoint endPoint = server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        byte[] buffer = new byte[1_024];
        for (int i = 0; i < number; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endPoint).Soon();
            await socket.SendAsync(
                (byte[])[.. PeerBytes.Handshake(true, (Registries.Name, 17)), .. RawEnd.SoftQuit(new CloseReason($"reason.{i}"))]).Soon();
            socket.Shutdown(SocketShutdown.Send);
            while (await socket.ReceiveAsync(buffer).Soon() > 0)
            {
            }
        }

        await Bounded.UntilAsync(() => Volatile.Read(ref ended) == number);
    }

    private sealed class FaultyTransport : TransportConnection
    {
        private readonly Pipe _pipe = new();

        public override PipeReader Input => _pipe.Reader;

        public override PipeWriter Output => _pipe.Writer;

        public override Task<IOException?> OpenAsync() => Task.FromException<IOException?>(new NotSupportedException());

        public override void Abort()
        {
        }

        public override ValueTask DisposeAsync() => default;
    }
}
