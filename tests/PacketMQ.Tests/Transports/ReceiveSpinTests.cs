using System.Net.Sockets;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>One class, because only so many may spin at once in a process: its tests run one after the other.</summary>
public sealed class ReceiveSpinTests
{
    private static readonly TimeSpan Long = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task It_is_off_by_default()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        await using var connection = new SocketConnection(left);
        using (right)
        {
            connection.UseSpin(new PeerOptions().ReceiveSpin);
            Assert.Null(Assert.IsType<SocketPipeReader>(connection.Input).Spin);
            connection.UseSpin(TimeSpan.FromTicks(1));
            Assert.NotNull(Assert.IsType<SocketPipeReader>(connection.Input).Spin);
        }
    }

    [Fact]
    public async Task It_ends_when_something_comes()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using (left)
        using (right)
        {
            Task<bool> spin = Spin(left, Long);
            await right.SendAsync(new byte[] { 1 });
            Assert.Equal(Environment.ProcessorCount > 1, await spin.Soon()); // nobody spins on the only processor
        }
    }

    [Fact]
    public async Task It_ends_when_the_stream_does()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using (left)
        {
            Task<bool> spin = Spin(left, Long);
            right.Dispose();
            Assert.Equal(Environment.ProcessorCount > 1, await spin.Soon());
        }
    }

    [Fact]
    public async Task It_ends_when_its_time_is_over()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using (left)
        using (right)
            Assert.False(await Spin(left, TimeSpan.FromMilliseconds(1)).Soon());
    }

    [Fact]
    public async Task It_ends_when_the_read_is_cancelled()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using (left)
        using (right)
        {
            SocketPipeReader reader = Reader(left);
            Task<bool> spin = Spin(left, Long, reader);
            reader.CancelPendingRead();
            Assert.False(await spin.Soon());
        }
    }

    [Fact]
    public async Task It_ends_when_the_socket_is_closed()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using (right)
        {
            Task<bool> spin = Spin(left, Long);
            left.Dispose();
            await spin.Soon(); // true or false: whoever reads next is told why
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(50)]
    public async Task A_token_that_is_cancelled_while_a_read_spins_ends_the_read(int afterMilliseconds)
    {
        (TransportConnection left, TransportConnection right) = await SocketPair.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        await using (left)
        await using (right)
        {
            left.UseSpin(TimeSpan.FromMilliseconds(300));
            using var cancellation = new CancellationTokenSource();
            Task read = Task.Run(async () => await left.Input.ReadAsync(cancellation.Token));
            await Task.Delay(afterMilliseconds, TestContext.Current.CancellationToken);
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.Soon());
        }
    }

    [Fact]
    public async Task At_most_half_of_the_processors_spin_at_once()
    {
        int most = Environment.ProcessorCount / 2;
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using (left)
        using (right)
        {
            SocketPipeReader reader = Reader(left);
            Task<bool>[] spins = [.. Enumerable.Range(0, most + 3).Select(_ => Spin(left, Long, reader))];
            // The others do not wait for a turn: they go at once, and their reads wait as if there were no spinning.
            await Bounded.UntilAsync(() => spins.Count(spin => spin.IsCompleted) == 3);
            Assert.Equal(most, spins.Count(spin => !spin.IsCompleted));
            reader.CancelPendingRead();
            Assert.All(await Task.WhenAll(spins).Soon(), Assert.False);
        }
    }

    [Theory]
    [InlineData(Transport.TcpIPv4)]
    [InlineData(Transport.Unix)]
    [InlineData(Transport.Tls)]
    [InlineData(Transport.Memory)]
    public async Task A_conversation_is_the_same_with_it(Transport transport)
    {
        const int count = 300;
        var inbox = new Inbox();
        var options = new PeerOptions { ReceiveSpin = TimeSpan.FromMilliseconds(1) };
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:echo", new EchoPacket("a:reply", TextWriter.Null)), ("a:reply", Registries.Sink())),
            Registries.Client(("a:echo", Registries.Sink()), ("a:reply", inbox.Packet)), options, options);
        (Connection client, Connection server) = await pair.ConnectAsync();
        for (int i = 0; i < count; i++)
        {
            await client.SendAsync("a:echo", i);
            if (i % 2 == 0)
                continue; // two at once, then their answers
            Assert.Equal(i - 1L, await inbox.NextAsync());
            Assert.Equal((long)i, await inbox.NextAsync());
        }

        await client.SoftQuitAsync("reason.bye");
        Assert.Equal(new CloseReason("reason.bye"), (await server.Closed.Soon()).Reason);
    }

    // On a thread of its own: it blocks one.
    private static Task<bool> Spin(Socket socket, TimeSpan time, SocketPipeReader? reader = null)
        => Task.Factory.StartNew(
            () => new ReceiveSpin(socket, time).TryWait(reader ?? Reader(socket)), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static SocketPipeReader Reader(Socket socket) => new(socket, new SocketFault(), System.Buffers.ArrayPool<byte>.Shared);
}
