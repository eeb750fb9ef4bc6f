using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Support;

/// <summary>A server and a client that connect over any transport. The client's side may also be played by hand: <see cref="OpenRawAsync"/>.</summary>
internal sealed class PeerPair : IAsyncDisposable
{
    private readonly Channel<Connection> _made = Channel.CreateUnbounded<Connection>();
    private readonly Transport _transport;
    private EndPoint? _endPoint;

    public PeerPair(
        Transport transport, PacketRegistry server, PacketRegistry client, PeerOptions? serverOptions = null, PeerOptions? clientOptions = null)
    {
        _transport = transport;
        if (transport == Transport.Tls)
        {
            serverOptions = (serverOptions ?? new PeerOptions()) with { Tls = TestTls.ForServers };
            clientOptions = (clientOptions ?? new PeerOptions()) with { Tls = TestTls.ForClients };
        }

        (Server, Client) = transport == Transport.Memory
            ? ((Peer)new HookedMemoryServer(this, server, serverOptions), (ClientPeer)new MemoryClient(client, clientOptions))
            : (new HookedServer(this, server, serverOptions), new Client(client, clientOptions));
        Server.ConnectionMade += (_, made) => _made.Writer.TryWrite(made.Connection);
        Server.ConnectionLost += (_, lost) => ServerLost.Enqueue(lost);
        Client.ConnectionLost += (_, lost) => ClientLost.Enqueue(lost);
        Server.ConnectionRefused += (_, refused) => ServerRefused.Writer.TryWrite(refused);
        Client.ConnectionRefused += (_, refused) => ClientRefused.Writer.TryWrite(refused);
    }

    public Peer Server { get; }

    public ClientPeer Client { get; }

    /// <summary>Of the pipes, if these are the transport.</summary>
    public PipeOptions? PipeOptions { get; init; }

    /// <summary>What the server's made callback does.</summary>
    public Func<Connection, ValueTask> ServerMadeHook { get; set; } = _ => default;

    /// <summary>What the server's lost callback does.</summary>
    public Func<Connection, CloseInfo, ValueTask> ServerLostHook { get; set; } = (_, _) => default;

    /// <summary>Each connection that was lost, as its event told it.</summary>
    public ConcurrentQueue<ConnectionLostEventArgs> ServerLost { get; } = new();

    public ConcurrentQueue<ConnectionLostEventArgs> ClientLost { get; } = new();

    public Channel<ConnectionLostEventArgs> ServerRefused { get; } = Channel.CreateUnbounded<ConnectionLostEventArgs>();

    public Channel<ConnectionLostEventArgs> ClientRefused { get; } = Channel.CreateUnbounded<ConnectionLostEventArgs>();

    /// <summary>Neither side holds a connection any more, in whatever state.</summary>
    public void AssertNoConnectionIsLeft(params ReadOnlySpan<Connection> connections)
    {
        Assert.Empty(Server.Connections);
        Assert.Empty(Client.Connections);
        foreach (Connection connection in connections)
        {
            Assert.Equal(ConnectionState.Closed, connection.State);
            Assert.False(connection.Peer.TryGetConnection(connection.Id, out _));
        }
    }

    /// <summary>Connects the two; both ends are active.</summary>
    public async Task<(Connection Client, Connection Server)> ConnectAsync()
    {
        Connection client = await OpenAsync().Soon();
        return (client, await NextMadeAsync());
    }

    /// <summary>The server's end of the next connection.</summary>
    public Task<Connection> NextMadeAsync() => _made.Reader.ReadAsync().Soon();

    public Task<Connection> OpenAsync(CancellationToken cancellationToken = default)
    {
        switch (_transport)
        {
            case Transport.Memory:
                return ((MemoryClient)Client).ConnectAsync((MemoryServer)Server, cancellationToken);
            case Transport.Pipe:
                (IDuplexPipe near, IDuplexPipe far) = CrossedPipes(PipeOptions);
                Observe(Server.AttachAsync(far, CancellationToken.None));
                return Client.AttachAsync(near, cancellationToken);
            default:
                return ((Client)Client).ConnectAsync(Listen(), cancellationToken);
        }
    }

    /// <summary>Opens the bytes between a test and the server, without a client.</summary>
    public async Task<TransportConnection> OpenRawAsync()
    {
        switch (_transport)
        {
            case Transport.Memory:
                (TransportConnection near, TransportConnection far) = MemoryConnection.CreatePair();
                Server.Begin(far);
                return near;
            case Transport.Pipe:
                (IDuplexPipe nearPipe, IDuplexPipe farPipe) = CrossedPipes(PipeOptions);
                Observe(Server.AttachAsync(farPipe));
                return new PipeConnection(nearPipe);
            case Transport.Tls:
                var socket = (SocketConnection)await SocketConnector.ConnectAsync(Listen(), CancellationToken.None).Soon();
                var tls = new TlsConnection(socket, new TlsHandshake(new TlsCredentials(TestTls.ForClients), TestTls.HostName));
                Assert.Null(await tls.OpenAsync().Soon());
                return tls;
            default:
                return await SocketConnector.ConnectAsync(Listen(), CancellationToken.None).Soon();
        }
    }

    public async ValueTask DisposeAsync()
    {
        // At once, so that neither waits for the other; and no end of theirs may hang.
        Task client = Client.StopAsync();
        Task server = Server.StopAsync();
        await Task.WhenAll(client, server).Soon();
    }

    public static (IDuplexPipe Near, IDuplexPipe Far) CrossedPipes(PipeOptions? options = null)
    {
        var there = new Pipe(options ?? PipeOptions.Default);
        var back = new Pipe(options ?? PipeOptions.Default);
        return (new Duplex(back.Reader, there.Writer), new Duplex(there.Reader, back.Writer));
    }

    private EndPoint Listen() => _endPoint ??= ((Server)Server).Listen(_transport switch
    {
        Transport.TcpIPv4 or Transport.Tls => new IPEndPoint(IPAddress.Loopback, 0),
        Transport.TcpIPv6 => new IPEndPoint(IPAddress.IPv6Loopback, 0),
        _ => new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())),
    });

    private static void Observe(Task<Connection> attached)
        => _ = attached.ContinueWith(static ended => ended.Exception, TaskScheduler.Default);

    private sealed class HookedServer(PeerPair pair, PacketRegistry registry, PeerOptions? options) : Server(registry, options)
    {
        protected override ValueTask OnConnectionMadeAsync(Connection connection) => pair.ServerMadeHook(connection);

        protected override ValueTask OnConnectionLostAsync(Connection connection, CloseInfo closeInfo) => pair.ServerLostHook(connection, closeInfo);
    }

    private sealed class HookedMemoryServer(PeerPair pair, PacketRegistry registry, PeerOptions? options) : MemoryServer(registry, options)
    {
        protected override ValueTask OnConnectionMadeAsync(Connection connection) => pair.ServerMadeHook(connection);

        protected override ValueTask OnConnectionLostAsync(Connection connection, CloseInfo closeInfo) => pair.ServerLostHook(connection, closeInfo);
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
