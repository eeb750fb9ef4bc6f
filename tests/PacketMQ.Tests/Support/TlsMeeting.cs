using System.Net;
using System.Threading.Channels;

namespace PacketMQ.Tests.Support;

/// <summary>A server and a client on TCP with TLS options of their own; null: in plain text.</summary>
internal sealed class TlsMeeting : IAsyncDisposable
{
    private readonly Channel<Connection> _made = Channel.CreateUnbounded<Connection>();
    private readonly Channel<CloseInfo> _refused = Channel.CreateUnbounded<CloseInfo>();
    private readonly SemaphoreSlim _replied = new(0);
    private readonly IPEndPoint _endPoint;
    private Peer? _other;

    public TlsMeeting(TlsOptions? server, TlsOptions? client, PeerOptions? options = null)
    {
        options ??= new PeerOptions();
        Server = new Server(Registries.Server(new EchoPacket(Registries.Name, TextWriter.Null)), options with { Tls = server });
        Client = new Client(Registries.Client(Packet.Create((_, _) => _replied.Release())), options with { Tls = client });
        Server.ConnectionMade += (_, made) => _made.Writer.TryWrite(made.Connection);
        Server.ConnectionRefused += (_, refused) => _refused.Writer.TryWrite(refused.CloseInfo);
        _endPoint = (IPEndPoint)Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
    }

    public Server Server { get; }

    public Client Client { get; }

    public IPEndPoint EndPoint => _endPoint;

    public async Task<(Connection Client, Connection Server)> ConnectAsync()
        => (await Client.ConnectAsync(_endPoint).Soon(), await _made.Reader.ReadAsync().Soon());

    /// <summary>Connects, which must fail on both sides.</summary>
    public async Task<(CloseInfo Client, CloseInfo Server)> RefusedAsync()
    {
        var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => Client.ConnectAsync(_endPoint).Soon());
        CloseInfo server = await NextRefusedAsync();
        Assert.False(_made.Reader.TryPeek(out _));
        return (closed.CloseInfo, server);
    }

    /// <summary>Adds a good connection to one of the two, which must notice nothing of the others: from another client, or to another server.</summary>
    public async Task<Connection> AddBystanderAsync(bool ofServer, TlsOptions? tls = null)
    {
        if (ofServer)
        {
            var client = new Client(
                Registries.Client(Packet.Create((_, _) => _replied.Release())), new PeerOptions { Tls = tls ?? TestTls.ForClients });
            _other = client;
            Connection connection = await client.ConnectAsync(_endPoint).Soon();
            await _made.Reader.ReadAsync().Soon();
            await ExchangeAsync(connection);
            return connection;
        }

        var server = new Server(
            Registries.Server(new EchoPacket(Registries.Name, TextWriter.Null)), new PeerOptions { Tls = tls ?? TestTls.ForServers });
        _other = server;
        Connection other = await Client.ConnectAsync(server.Listen(new IPEndPoint(IPAddress.Loopback, 0))).Soon();
        await ExchangeAsync(other);
        return other;
    }

    /// <summary>How the next connection that never was made ended on the server.</summary>
    public Task<CloseInfo> NextRefusedAsync() => _refused.Reader.ReadAsync().Soon();

    /// <summary>Sends one packet and gets it back.</summary>
    public async Task ExchangeAsync(Connection client)
    {
        await client.SendAsync(Registries.Name, "hello");
        await _replied.WaitAsync().Soon();
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Client.StopAsync(), Server.StopAsync(), _other?.StopAsync() ?? Task.CompletedTask).Soon();
        _replied.Dispose();
    }
}
