using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class ClientTests
{
    [Fact]
    public async Task A_server_that_is_not_there_is_unreachable()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound, but nobody listens
        foreach (EndPoint dead in new[] { taken.LocalEndPoint!, new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())) })
        {
            var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync(dead).Soon());
            Assert.Equal((CloseReason.Unreachable, CloseInitiator.Transport), (closed.CloseInfo.Reason, closed.CloseInfo.Initiator));
            Assert.Contains(dead.ToString()!, closed.Message);
            Assert.NotNull(closed.InnerException);
        }

        Assert.Empty(client.Connections);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_given_up_after_the_handshake_time_out()
    {
        var time = new WatchedTime();
        await using var client = new Client(Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = time });
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        Task<Connection> connecting = client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using TcpClient silent = await listener.AcceptTcpClientAsync().Soon();
        Assert.NotEqual(0, await silent.GetStream().ReadAsync(new byte[4]).Soon()); // INIT: the connection has begun
        time.Beat(10); // HandshakeTimeout
        var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => connecting.Soon());
        Assert.Equal(CloseReason.HandshakeTimeout, closed.CloseInfo.Reason);

        // Each step of the end has a time-out of its own, and which of them are under way is not told.
        await Bounded.UntilAsync(() =>
        {
            time.Advance(client.Options.CloseTimeout);
            return !client.TryGetConnection(1, out _);
        });
    }

    [Fact]
    public async Task Handlers_do_not_inherit_the_context_of_whoever_connected()
    {
        var ambient = new AsyncLocal<string?>();
        var seen = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()));
        await using var client = new MemoryClient(Registries.Client(Packet.Create((_, _) => seen.SetResult(ambient.Value))));
        ambient.Value = "a request that ends long before the connection does";
        Connection connection = await client.ConnectAsync(server).Soon();
        ambient.Value = null;
        await Bounded.UntilAsync(() => !server.Connections.IsEmpty);
        await server.Connections[0].SendAsync(Registries.Name, 1).Soon();
        Assert.Null(await seen.Task.Soon());
        Assert.Equal(ConnectionState.Active, connection.State);
    }

    [Fact]
    public async Task Cancelling_gives_up_the_connection()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var cancellation = new CancellationTokenSource();
        Task<Connection> connecting = client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, cancellation.Token);
        using TcpClient silent = await listener.AcceptTcpClientAsync().Soon();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connecting.Soon());
        await client.StopAsync().Soon();
        Assert.False(client.TryGetConnection(1, out _));
    }

    [Fact]
    public async Task A_connection_that_was_made_before_the_cancelling_is_not_given_up()
    {
        for (int i = 0; i < 20; i++)
        {
            using var cancellation = new CancellationTokenSource();
            await using var client = new Client(Registries.Client(Packet.Create((_, _) => cancellation.Cancel())));
            (IDuplexPipe near, IDuplexPipe far) = PeerPair.CrossedPipes();
            // In one piece, so that the packet is handled before whoever waits for the connection gets his turn.
            await far.Output.WriteAsync((byte[])[.. PeerBytes.Handshake(false, (Registries.Name, 17)), .. PeerBytes.Frame(17, 42)]).Soon();
            Connection connection = await client.AttachAsync(near, cancellation.Token).Soon();
            await far.Output.CompleteAsync();
            Assert.Equal(CloseReason.Disconnected, (await connection.Closed.Soon()).Reason);
            Assert.True(cancellation.IsCancellationRequested);
        }
    }

    [Fact]
    public async Task Arguments_are_checked()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.ConnectAsync("localhost", 0));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => client.ConnectAsync("localhost", 65_536));
        await Assert.ThrowsAsync<ArgumentException>(() => client.ConnectAsync("", 1));
        await Assert.ThrowsAsync<ArgumentNullException>(() => client.ConnectAsync(null!));
        await Assert.ThrowsAsync<ArgumentNullException>(() => client.AttachAsync(null!));
    }

    [Fact]
    public async Task Without_a_receiver_a_packet_goes_to_the_first_connected_server_and_then_to_the_next()
    {
        var inboxes = new[] { new Inbox(), new Inbox(), new Inbox() };
        Server[] servers = [.. inboxes.Select(inbox => new Server(Registries.Server(inbox.Packet)))];
        var typed = new Packet<string>();
        await using var client = new Client(Registries.Client(typed));
        Assert.Contains("not connected", Assert.Throws<InvalidOperationException>(() => client.DefaultConnection).Message);
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.SendAsync(typed, "x").AsTask());

        var connections = new List<Connection>();
        foreach (Server server in servers)
            connections.Add(await client.ConnectAsync("127.0.0.1", server.Listen(0).Port).Soon());
        Assert.Equal(connections, client.Connections);
        for (int i = 0; i < servers.Length; i++)
        {
            Assert.Same(connections[i], client.DefaultConnection);
            await client.SendAsync(typed, "typed");
            await client.SendAsync(Registries.Name, "dynamic");
            Assert.Equal("typed", await inboxes[i].NextAsync());
            Assert.Equal("dynamic", await inboxes[i].NextAsync());
            await servers[i].DisposeAsync();
            await connections[i].Closed.Soon();
        }

        Assert.Throws<InvalidOperationException>(() => client.DefaultConnection);
        Assert.All(inboxes, inbox => Assert.True(inbox.IsEmpty));
    }

    [Fact]
    public async Task A_stopped_client_connects_no_more()
    {
        await using var server = new Server(Registries.Server(Registries.Sink()));
        int port = server.Listen(0).Port;
        var client = new Client(Registries.Client(Registries.Sink()));
        await client.StopAsync().Soon();
        var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync("127.0.0.1", port).Soon());
        Assert.Equal(CloseReason.Shutdown, closed.CloseInfo.Reason);
    }
}
