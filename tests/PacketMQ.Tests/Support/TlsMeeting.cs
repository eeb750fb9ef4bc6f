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
        await Task.WhenAll(Client.StopAsync(), Server.StopAsync()).Soon();
        _replied.Dispose();
    }
}
