using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

public sealed class SocketConnectorTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_host_name_is_resolved()
    {
        await using SocketListener listener = SocketListener.BindAnyAddress(0, 8);
        int port = ((IPEndPoint)listener.LocalEndPoint).Port;
        await using TransportConnection client
            = await SocketConnector.ConnectAsync(new DnsEndPoint("localhost", port), Cancelled).Soon();
        Assert.Equal(port, Assert.IsType<IPEndPoint>(client.RemoteEndPoint).Port);
    }

    [Fact]
    public async Task A_refused_address_is_followed_by_the_next()
    {
        using Socket dead = BindWithoutListening();
        await using SocketListener listener = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 8);
        await using TransportConnection client = await SocketConnector.ConnectAsync(
            [dead.LocalEndPoint!, listener.LocalEndPoint], "somewhere", TimeProvider.System, Cancelled).Soon();
        Assert.Equal(listener.LocalEndPoint, client.RemoteEndPoint);
    }

    [Fact]
    public async Task An_address_that_does_not_answer_in_time_is_followed_by_the_next()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only there a full backlog is silent.");
        using SilentListener silent = await SilentListener.StartAsync();
        await using SocketListener listener = SocketListener.Bind(new IPEndPoint(IPAddress.Loopback, 0), 8);
        var time = new FakeTimeProvider();
        Task<TransportConnection> connect = SocketConnector.ConnectAsync(
            [silent.EndPoint, listener.LocalEndPoint], "somewhere", time, Cancelled).AsTask();
        Assert.False(connect.IsCompleted);
        time.Advance(SocketConnector.AddressTimeout);
        await using TransportConnection client = await connect.Soon();
        Assert.Equal(listener.LocalEndPoint, client.RemoteEndPoint);
    }

    [Fact]
    public async Task When_no_address_answers_the_error_lists_what_was_tried()
    {
        using Socket first = BindWithoutListening();
        using Socket second = BindWithoutListening();
        EndPoint[] dead = [first.LocalEndPoint!, second.LocalEndPoint!];
        IOException exception = await Assert.ThrowsAsync<IOException>(
            () => SocketConnector.ConnectAsync(dead, "somewhere:1", TimeProvider.System, Cancelled).Soon());
        Assert.Contains("somewhere:1", exception.Message, StringComparison.Ordinal);
        Assert.All(dead, endPoint => Assert.Contains(endPoint.ToString()!, exception.Message, StringComparison.Ordinal));
        Assert.Equal(SocketError.ConnectionRefused, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_and_a_socket_file_that_is_not_there_are_told()
    {
        await Assert.ThrowsAsync<IOException>(
            () => SocketConnector.ConnectAsync(new DnsEndPoint("no-such-host.invalid", 1), Cancelled).Soon());
        var missing = new UnixDomainSocketEndPoint(SocketPair.NewUnixPath());
        IOException exception = await Assert.ThrowsAsync<IOException>(
            () => SocketConnector.ConnectAsync(missing, Cancelled).Soon());
        Assert.Contains(missing.ToString(), exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connecting_can_be_cancelled()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only there a full backlog is silent.");
        using SilentListener silent = await SilentListener.StartAsync();
        using var cancellation = new CancellationTokenSource();
        Task<TransportConnection> connect = SocketConnector.ConnectAsync(silent.EndPoint, cancellation.Token).AsTask();
        Assert.False(connect.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => connect.Soon());
    }

    // As long as it is bound nobody else gets the port.
    private static Socket BindWithoutListening()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }

    /// <summary>Listens with a backlog that is full, so that the system drops whoever knocks.</summary>
    private sealed class SilentListener : IDisposable
    {
        private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        private readonly Socket _guest = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

        public EndPoint EndPoint => _listener.LocalEndPoint!;

        public static async Task<SilentListener> StartAsync()
        {
            var silent = new SilentListener();
            silent._listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            silent._listener.Listen(0);
            await silent._guest.ConnectAsync(silent.EndPoint);
            return silent;
        }

        public void Dispose()
        {
            _guest.Dispose();
            _listener.Dispose();
        }
    }
}
