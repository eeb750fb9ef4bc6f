using System.Net;
using System.Net.Sockets;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

public sealed class SocketListenerTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Any_address_takes_clients_of_both_families_and_shows_them_as_what_they_are()
    {
        await using SocketListener listener = SocketListener.BindAnyAddress(0, 8);
        int port = Assert.IsType<IPEndPoint>(listener.LocalEndPoint).Port;
        Assert.NotEqual(0, port);
        IPAddress[] addresses = Socket.OSSupportsIPv6 ? [IPAddress.Loopback, IPAddress.IPv6Loopback] : [IPAddress.Loopback];
        foreach (IPAddress address in addresses)
        {
            await using TransportConnection client
                = await SocketConnector.ConnectAsync(new IPEndPoint(address, port), Cancelled).Soon();
            await using TransportConnection server = await listener.AcceptAsync(Cancelled).Soon();
            Assert.Equal(address, Assert.IsType<IPEndPoint>(server.RemoteEndPoint).Address);
            Assert.Equal(new IPEndPoint(address, port), server.LocalEndPoint);
            Assert.Equal(client.LocalEndPoint, server.RemoteEndPoint);
            Assert.Equal(client.RemoteEndPoint, server.LocalEndPoint);
        }
    }

    [Fact]
    public async Task Clients_that_reset_before_their_turn_are_passed_over()
    {
        await using SocketListener listener = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 64);
        for (int i = 0; i < 20; i++)
        {
            TransportConnection gone = await SocketConnector.ConnectAsync(listener.LocalEndPoint, Cancelled).Soon();
            gone.Abort();
        }

        await using TransportConnection client = await SocketConnector.ConnectAsync(listener.LocalEndPoint, Cancelled).Soon();
        TransportConnection server;
        do
        {
            server = await listener.AcceptAsync(Cancelled).Soon();
            await server.DisposeAsync();
        }
        while (!client.LocalEndPoint!.Equals(server.RemoteEndPoint));
    }

    [Fact]
    public async Task A_client_for_whom_there_is_no_memory_is_closed_and_the_next_one_is_taken()
    {
        await using SocketListener listener = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 8);
        listener.Admits = _ => throw new OutOfMemoryException();
        await using TransportConnection client = await SocketConnector.ConnectAsync(listener.LocalEndPoint, Cancelled).Soon();
        await Assert.ThrowsAsync<OutOfMemoryException>(() => listener.AcceptAsync(Cancelled).Soon());
        Assert.True((await client.Input.ReadAsync(Cancelled).Soon()).IsCompleted);
        listener.Admits = _ => true;
        await using TransportConnection next = await SocketConnector.ConnectAsync(listener.LocalEndPoint, Cancelled).Soon();
        await using TransportConnection server = await listener.AcceptAsync(Cancelled).Soon();
        Assert.Equal(next.LocalEndPoint, server.RemoteEndPoint);
    }

    [Fact]
    public async Task An_accept_can_be_cancelled_and_the_next_one_works()
    {
        await using SocketListener listener = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 8);
        using var cancellation = new CancellationTokenSource();
        Task<TransportConnection> accept = listener.AcceptAsync(cancellation.Token).AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => accept.Soon());
        await using TransportConnection client = await SocketConnector.ConnectAsync(listener.LocalEndPoint, Cancelled).Soon();
        await using TransportConnection server = await listener.AcceptAsync(Cancelled).Soon();
        Assert.Equal(client.LocalEndPoint, server.RemoteEndPoint);
    }

    [Fact]
    public async Task Disposing_ends_a_pending_accept()
    {
        SocketListener listener = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 8);
        Task<TransportConnection> accept = listener.AcceptAsync(Cancelled).AsTask();
        await listener.DisposeAsync();
        Exception? exception = await Record.ExceptionAsync(() => accept.Soon());
        Assert.True(exception is SocketException or ObjectDisposedException, $"{exception}");
    }

    [Fact]
    public void A_port_that_is_taken_is_an_error()
    {
        using SocketListener first = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 8);
        SocketException exception = Assert.Throws<SocketException>(() => SocketListener.Bind(first.LocalEndPoint, 8));
        Assert.Equal(SocketError.AddressAlreadyInUse, exception.SocketErrorCode);
    }

    [Fact]
    public void A_socket_file_is_deleted_with_its_listener_and_a_live_one_is_left_alone()
    {
        string path = SocketPair.NewUnixPath();
        using (SocketListener.Bind(new UnixDomainSocketEndPoint(path), 8))
        {
            Assert.True(File.Exists(path));
            SocketException exception
                = Assert.Throws<SocketException>(() => SocketListener.Bind(new UnixDomainSocketEndPoint(path), 8));
            Assert.Equal(SocketError.AddressAlreadyInUse, exception.SocketErrorCode);
            Assert.True(File.Exists(path));
        }

        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task A_live_listener_that_accepts_nobody_keeps_nobody_waiting_who_wants_its_path()
    {
        string path = SocketPair.NewUnixPath();
        var endPoint = new UnixDomainSocketEndPoint(path);
        using SocketListener deaf = SocketListener.Bind(endPoint, 1);
        var waiting = new List<Socket>();
        try
        {
            while (waiting.Count < 64 && TryConnect())
            {
            }

            Assert.InRange(waiting.Count, 1, 63); // the backlog is full
            SocketException refused = await Assert.ThrowsAsync<SocketException>(() => Task.Run(() => SocketListener.Bind(endPoint, 8)).Soon());
            Assert.Equal(SocketError.AddressAlreadyInUse, refused.SocketErrorCode);
            Assert.True(File.Exists(path));
        }
        finally
        {
            waiting.ForEach(client => client.Dispose());
        }

        bool TryConnect()
        {
            var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
            waiting.Add(client);
            try
            {
                client.Connect(endPoint);
                return true;
            }
            catch (SocketException exception) when (exception.SocketErrorCode == SocketError.WouldBlock)
            {
                return false;
            }
        }
    }

    [Fact]
    public async Task A_socket_file_left_by_a_dead_process_is_replaced()
    {
        string path = SocketPair.NewUnixPath();
        string elsewhere = path + "x";
        // Moved away, the file survives its listener, as it does when a process is killed.
        using (SocketListener.Bind(new UnixDomainSocketEndPoint(elsewhere), 8))
            File.Move(elsewhere, path);
        Assert.True(File.Exists(path));
        var endPoint = new UnixDomainSocketEndPoint(path);
        await using SocketListener listener = SocketListener.Bind(endPoint, 8);
        await using TransportConnection client = await SocketConnector.ConnectAsync(endPoint, Cancelled).Soon();
        await using TransportConnection server = await listener.AcceptAsync(Cancelled).Soon();
        Assert.Equal(path, client.RemoteEndPoint?.ToString());
    }

    /// <summary>The runtime throws about such an address: in the accept, or in a thread of its own, which ends the process.</summary>
    [Theory]
    [InlineData(false, false, 100)]
    [InlineData(false, false, 108)]
    [InlineData(true, false, 100)]
    [InlineData(false, true, 100)]
    [InlineData(false, true, 108)]
    [InlineData(true, true, 108)]
    public async Task A_client_may_be_bound_to_a_longer_path_than_the_listener(bool isAbstract, bool waits, int length)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("The lengths and abstract names are those of Linux.");

        string path = SocketPair.NewUnixPath();
        var endPoint = new UnixDomainSocketEndPoint(isAbstract ? "\0" + Path.GetFileName(path) : path);
        string own = (path + "c").PadRight(length, 'x');
        await using SocketListener listener = SocketListener.Bind(endPoint, 8);
        Assert.Equal(endPoint, listener.LocalEndPoint);
        using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            client.Bind(new LongPath(own));
            Task<TransportConnection>? early = waits ? listener.AcceptAsync(Cancelled).AsTask() : null;
            await client.ConnectAsync(endPoint, Cancelled);
            await using (TransportConnection server = await (early ?? listener.AcceptAsync(Cancelled).AsTask()).Soon())
            {
                Assert.Equal(own, server.RemoteEndPoint?.ToString());
                Assert.Equal(endPoint, server.LocalEndPoint);
            }

            Assert.Equal(0, await client.ReceiveAsync(new byte[1], Cancelled).AsTask().Soon()); // the descriptor is closed
        }
        finally
        {
            File.Delete(own);
        }

        await using TransportConnection nameless = await SocketConnector.ConnectAsync(endPoint, Cancelled).Soon();
        await using TransportConnection next = await listener.AcceptAsync(Cancelled).Soon();
        Assert.Equal("", next.RemoteEndPoint?.ToString());
    }

    [Fact]
    public void A_listener_that_is_disposed_twice_leaves_its_successor_alone()
    {
        string path = SocketPair.NewUnixPath();
        SocketListener first = SocketListener.Bind(new UnixDomainSocketEndPoint(path), 8);
        first.Dispose();
        using SocketListener second = SocketListener.Bind(new UnixDomainSocketEndPoint(path), 8);
        first.Dispose();
        Assert.True(File.Exists(path));
    }

    [Fact]
    public void A_file_that_is_no_socket_is_never_removed()
    {
        string path = SocketPair.NewUnixPath();
        File.WriteAllText(path, "precious");
        try
        {
            Assert.Throws<SocketException>(() => SocketListener.Bind(new UnixDomainSocketEndPoint(path), 8));
            Assert.Equal("precious", File.ReadAllText(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    /// <summary>A path of up to 108 bytes: one more than .NET's own type takes, and all that Linux has room for.</summary>
    private sealed class LongPath(string path) : EndPoint
    {
        public override AddressFamily AddressFamily => AddressFamily.Unix;

        public override SocketAddress Serialize()
        {
            var address = new SocketAddress(AddressFamily.Unix, 2 + path.Length);
            System.Text.Encoding.ASCII.GetBytes(path, address.Buffer.Span[2..]);
            return address;
        }
    }
}
