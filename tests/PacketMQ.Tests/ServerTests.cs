using System.Net;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class ServerTests
{
    [Fact]
    public async Task It_listens_on_several_ports_and_tells_which()
    {
        var inbox = new Inbox();
        await using var server = new Server(Registries.Server(inbox.Packet));
        await using var client = new Client(Registries.Client(Registries.Sink()));
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

        IPEndPoint first = server.Listen(0);
        var second = Assert.IsType<IPEndPoint>(server.Listen(new IPEndPoint(IPAddress.Loopback, 0)));
        EndPoint third = server.Listen(new UnixDomainSocketEndPoint(path));
        Assert.NotEqual(0, first.Port);
        Assert.NotEqual(first.Port, second.Port);
        Assert.Equal([first, second, third], server.EndPoints);

        Connection[] connections =
        [
            await client.ConnectAsync("127.0.0.1", first.Port).Soon(), await client.ConnectAsync(second).Soon(), await client.ConnectAsync(third).Soon(),
        ];
        foreach (Connection connection in connections)
        {
            await connection.SendAsync(Registries.Name, connection.Id);
            Assert.Equal(connection.Id, await inbox.NextAsync());
        }

        Assert.Equal(3, server.Connections.Length);
        await server.StopAsync().Soon();
        Assert.Empty(server.EndPoints);
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task One_port_takes_ipv4_and_ipv6_clients()
    {
        await using var server = new Server(Registries.Server(Registries.Sink()));
        await using var client = new Client(Registries.Client(Registries.Sink()));
        int port = server.Listen(0).Port;

        await client.ConnectAsync("127.0.0.1", port).Soon();
        await client.ConnectAsync("localhost", port).Soon();
        if (Socket.OSSupportsIPv6)
            await client.ConnectAsync("::1", port).Soon();
        await Bounded.UntilAsync(() => server.Connections.Length == client.Connections.Length);

        // An IPv4 client is seen under its own address, not as a mapped one.
        Assert.Contains(server.Connections, connection => ((IPEndPoint)connection.RemoteEndPoint!).Address.Equals(IPAddress.Loopback));
        Assert.All(server.Connections, connection => Assert.Equal(port, ((IPEndPoint)connection.LocalEndPoint!).Port));
    }

    [Fact]
    public async Task A_port_that_is_taken_is_an_error_and_what_listens_goes_on()
    {
        await using var server = new Server(Registries.Server(Registries.Sink()));
        await using var other = new Server(Registries.Server(Registries.Sink()));
        int port = server.Listen(0).Port;
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(() => other.Listen(port)).SocketErrorCode);
        Assert.Throws<SocketException>(() => server.Listen(port));
        Assert.Single(server.EndPoints);
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Listen(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => server.Listen(65_536));
        Assert.Throws<ArgumentNullException>(() => server.Listen(null!));

        await using var client = new Client(Registries.Client(Registries.Sink()));
        await client.ConnectAsync("127.0.0.1", port).Soon();
    }

    [Fact]
    public async Task After_a_stop_it_listens_no_more_and_its_port_is_free()
    {
        var server = new Server(Registries.Server(Registries.Sink()));
        int port = server.Listen(new IPEndPoint(IPAddress.Loopback, 0)) is IPEndPoint endPoint ? endPoint.Port : 0;
        await server.StopAsync().Soon();

        var stopped = Assert.Throws<ConnectionClosedException>(() => server.Listen(0));
        Assert.Equal(CloseReason.Shutdown, stopped.CloseInfo.Reason);
        await using var next = new Server(Registries.Server(Registries.Sink()));
        next.Listen(new IPEndPoint(IPAddress.Loopback, port));
        await using var client = new Client(Registries.Client(Registries.Sink()));
        await client.ConnectAsync("127.0.0.1", port).Soon();
    }

    [Fact]
    public async Task What_is_not_packetmq_harms_nobody_else()
    {
        await using var server = new Server(Registries.Server(Registries.Sink()));
        int port = server.Listen(0).Port;
        var refused = new TaskCompletionSource<CloseInfo>();
        server.ConnectionRefused += (_, refusal) => refused.TrySetResult(refusal.CloseInfo);
        using var browser = new TcpClient();
        await browser.ConnectAsync(IPAddress.Loopback, port);
        await browser.GetStream().WriteAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n"u8.ToArray());
        Assert.Equal(CloseReason.FrameTooLarge, (await refused.Task.Soon()).Reason);

        await using var client = new Client(Registries.Client(Registries.Sink()));
        await client.ConnectAsync("127.0.0.1", port).Soon();
    }
}
