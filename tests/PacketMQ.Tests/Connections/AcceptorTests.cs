using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Connections;

/// <summary>Accepting goes on, whatever the system says. (For real, with few open files: the tests of the command.)</summary>
public sealed class AcceptorTests
{
    [Fact]
    public async Task What_is_wrong_with_one_client_makes_nobody_wait_and_with_64_in_a_row_ten_milliseconds()
    {
        var pause = TimeSpan.FromMilliseconds(10);
        var time = new WatchedTime();
        var logs = new FakeLogCollector();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int attempts = 0;
        Task pausing = time.NextTimerAsync(pause);
        await using var acceptor = new Acceptor(
            new IPEndPoint(IPAddress.Loopback, 1), AcceptAsync, new MemoryStream(), _ =>
            {
                begun.TrySetResult();
                return null;
            },
            time, new FakeLogger(logs));

        for (int i = 1; i <= 3; i++)
        {
            await pausing;
            Assert.Equal(64 * i, Volatile.Read(ref attempts));
            pausing = i < 3 ? time.NextTimerAsync(pause) : begun.Task.Soon();
            time.Advance(pause);
        }

        await pausing; // behind 63 more
        Assert.Single(logs.GetSnapshot(), record => record.Id.Id == 108);

        async ValueTask<TransportConnection> AcceptAsync(CancellationToken cancellationToken)
        {
            int attempt = Interlocked.Increment(ref attempts);
            if (attempt < 64 * 4)
                throw new SocketException((int)(attempt % 2 == 0 ? SocketError.ConnectionAborted : SocketError.HostUnreachable));
            if (attempt > 64 * 4)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return MemoryConnection.CreatePair().First;
        }
    }

    [Fact]
    public async Task Clients_on_a_Unix_socket_can_neither_hold_up_the_next_one_nor_write_into_the_log()
    {
        var logs = new FakeLogCollector();
        string folder = Directory.CreateTempSubdirectory("pmq").FullName;
        try
        {
            // The clock stands still: whoever pauses, pauses for ever.
            await using var server = new Server(
                Registries.Server(Registries.Sink()), new PeerOptions { LoggerFactory = new Journal(logs), TimeProvider = new WatchedTime() });
            Task<Connection> made = NextMadeAsync(server);
            var endPoint = new UnixDomainSocketEndPoint(Path.Combine(folder, "s"));
            server.Listen(endPoint);
            for (int i = 0; i < 8; i++)
            {
                using Socket bad = Open(endPoint, $"c{i}\n\u001b[31mforged");
                await bad.SendAsync(PeerBytes.Finish);
            }

            using Socket good = Open(endPoint, "good\n\u001b[31mforged");
            await good.SendAsync(PeerBytes.Handshake(true, (Registries.Name, 17)));
            Connection connection = await made.Soon();
            Assert.EndsWith("good\\x0a\\x1b[31mforged", connection.ToString(), StringComparison.Ordinal);
            Assert.EndsWith("good\n\u001b[31mforged", connection.RemoteEndPoint!.ToString(), StringComparison.Ordinal);
            await Bounded.UntilAsync(() => Lines(103).Any() && Lines(101).Any());
            Assert.All(logs.GetSnapshot(), line => Assert.DoesNotContain(line.Message, char.IsControl));
            Assert.All(Lines(100).Concat(Lines(101)).Concat(Lines(103)), line => Assert.Contains("\\x0a\\x1b[31mforged", line.Message, StringComparison.Ordinal));
            Assert.Empty(Lines(108));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        IEnumerable<FakeLogRecord> Lines(int id) => logs.GetSnapshot().Where(line => line.Id.Id == id);

        Socket Open(UnixDomainSocketEndPoint endPoint, string name)
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(folder, name)));
            socket.Connect(endPoint);
            return socket;
        }

        static Task<Connection> NextMadeAsync(Server server)
        {
            var made = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
            server.ConnectionMade += (_, e) => made.TrySetResult(e.Connection);
            return made.Task;
        }
    }

    [Fact]
    public async Task A_failing_listener_is_tried_again_more_and_more_slowly_with_one_line_a_second_and_recovers()
    {
        int[] pauses = [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000];
        var time = new WatchedTime();
        var logs = new FakeLogCollector();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int attempts = 0;
        Task pausing = time.NextTimerAsync(TimeSpan.FromMilliseconds(pauses[0]));
        await using var acceptor = new Acceptor(
            new IPEndPoint(IPAddress.Loopback, 1), AcceptAsync, new MemoryStream(), _ =>
            {
                begun.TrySetResult();
                return null;
            },
            time, new FakeLogger(logs));

        for (int i = 0; i < pauses.Length; i++)
        {
            await pausing;
            Assert.Equal(i + 1, Volatile.Read(ref attempts));
            pausing = i + 1 < pauses.Length ? time.NextTimerAsync(TimeSpan.FromMilliseconds(pauses[i + 1])) : begun.Task.Soon();
            time.Advance(TimeSpan.FromMilliseconds(pauses[i]));
        }

        // At 0, 1.27, 2.27 and 3.27 s.
        await pausing;
        Assert.Equal(4, logs.GetSnapshot().Count(record => record.Id.Id == 108));

        async ValueTask<TransportConnection> AcceptAsync(CancellationToken cancellationToken)
        {
            int attempt = Interlocked.Increment(ref attempts);
            if (attempt <= pauses.Length)
                throw new SocketException((int)SocketError.TooManyOpenSockets);
            if (attempt > pauses.Length + 1)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return MemoryConnection.CreatePair().First;
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_lack_of_memory_does_not_end_the_loop_and_leaves_no_connection_open(bool whenAccepting)
    {
        (TransportConnection first, TransportConnection client) = MemoryConnection.CreatePair();
        var time = new WatchedTime();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int attempts = 0;
        Task pausing = time.NextTimerAsync(TimeSpan.FromMilliseconds(10));
        await using var acceptor = new Acceptor(
            new IPEndPoint(IPAddress.Loopback, 1), AcceptAsync, new MemoryStream(), Begin, time, new FakeLogger(new FakeLogCollector()));
        await pausing;
        time.Advance(TimeSpan.FromMilliseconds(10));
        await begun.Task.Soon();
        if (!whenAccepting)
            await Assert.ThrowsAsync<IOException>(() => client.Input.ReadAsync(TestContext.Current.CancellationToken).Soon());

        async ValueTask<TransportConnection> AcceptAsync(CancellationToken cancellationToken)
        {
            int attempt = Interlocked.Increment(ref attempts);
            if (whenAccepting && attempt == 1)
                throw new OutOfMemoryException();
            if (attempt > 2)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return attempt == 1 ? first : MemoryConnection.CreatePair().First;
        }

        Connection? Begin(TransportConnection transport)
        {
            if (Volatile.Read(ref attempts) == 1)
                throw new OutOfMemoryException();
            begun.TrySetResult();
            return null;
        }
    }
}
