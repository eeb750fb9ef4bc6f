using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>A server or a client with TLS, bare sockets that play the other side, and a proper connection that must notice nothing of them.</summary>
internal sealed class TlsScene : IAsyncDisposable
{
    private static readonly X509ChainPolicy TrustInTheRoot = NewTrust();

    private readonly Channel<Connection> _made = Channel.CreateUnbounded<Connection>();
    private readonly Channel<CloseInfo> _ended = Channel.CreateUnbounded<CloseInfo>();
    private readonly Server _server;
    private readonly Client _client;
    private readonly EndPoint _endPoint;
    private readonly Side _side;
    private readonly SemaphoreSlim _replied = new(0);
    private Task _connecting = Task.CompletedTask;

    private TlsScene(Side side, PeerOptions options, TlsOptions? tls, TextWriter? echoes)
    {
        _side = side;
        _server = new Server(
            Registries.Server(new EchoPacket(Registries.Name, echoes ?? TextWriter.Null)),
            (side == Side.Server ? options : new PeerOptions()) with { Tls = tls ?? TestTls.ForServers with { RequireClientCertificate = false, TrustedRoots = null } });
        _client = new Client(
            Registries.Client(Packet.Create((_, _) => _replied.Release())), (side == Side.Client ? options : new PeerOptions()) with { Tls = TestTls.ForClients });
        Peer tested = side == Side.Server ? _server : _client;
        tested.ConnectionMade += (_, made) => _made.Writer.TryWrite(made.Connection);
        tested.ConnectionRefused += (_, refused) => _ended.Writer.TryWrite(refused.CloseInfo);
        tested.ConnectionLost += (_, lost) => _ended.Writer.TryWrite(lost.CloseInfo);
        _endPoint = _server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
    }

    /// <summary>The connection on which nothing bad happens.</summary>
    public Innocent Bystander { get; private set; } = null!;

    public Side Side => _side;

    public bool HasEnded => _ended.Reader.TryPeek(out _);

    public static async Task<TlsScene> BeginAsync(Side side, PeerOptions? options = null, TlsOptions? tls = null, TextWriter? echoes = null)
    {
        var scene = new TlsScene(side, options ?? new PeerOptions(), tls, echoes);
        scene.Bystander = new Innocent(await scene._client.ConnectAsync(scene._endPoint).Soon(), scene._replied);
        await scene.Bystander.ExchangeAsync();
        await scene.MadeAsync();
        return scene;
    }

    /// <summary>Opens one more connection to the peer under test, without TLS.</summary>
    public async Task<Socket> OpenAsync()
    {
        if (_side == Side.Server)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(_endPoint);
            return socket;
        }

        using Socket listener = RawPeer.Listen();
        _connecting = _client.ConnectAsync(listener.LocalEndPoint!);
        return await listener.AcceptAsync().WaitAsync(RawPeer.Patience);
    }

    /// <summary>The peer under test has begun with the last connection: its time runs.</summary>
    public async Task BegunAsync(Socket raw)
    {
        if (_side == Side.Client)
        {
            Assert.Equal(0x16, (await ReadRecordAsync(raw))[0]); // it has said hello
            return;
        }

        // A second, good connection was made behind it: so the server has that one, too.
        Connection connection = await _client.ConnectAsync(_endPoint).Soon();
        connection.Abort();
        await connection.Closed.Soon();
        Assert.Equal(CloseReason.ConnectionReset, (await EndedAsync()).Reason);
    }

    /// <summary>The next connection whose handshake is through.</summary>
    public Task<Connection> MadeAsync() => _made.Reader.ReadAsync().Soon();

    public Task<CloseInfo> EndedAsync() => _ended.Reader.ReadAsync().Soon();

    /// <summary>The bystander goes on, and no other connection has ended.</summary>
    public async Task AssertNothingElseHappenedAsync()
    {
        await Bystander.ExchangeAsync();
        Assert.Equal(ConnectionState.Active, Bystander.Connection.State);
        Assert.False(_ended.Reader.TryPeek(out CloseInfo? other), other?.ToString());
    }

    /// <summary>TLS as the other side, with a stream of .NET's: a client that has no certificate of its own, or a server.</summary>
    public Task<SslStream> ShakeHandsAsync(Socket socket, params SslApplicationProtocol[] protocols) => ShakeHandsAsync(socket, stream => stream, protocols);

    public async Task<SslStream> ShakeHandsAsync(
        Socket socket, Func<Stream, Stream> wrap, SslApplicationProtocol[] protocols, SslProtocols versions = SslProtocols.None)
    {
        var ssl = new SslStream(wrap(new NetworkStream(socket)));
        try
        {
            if (_side == Side.Server)
                await ssl.AuthenticateAsClientAsync(AsClient(protocols, versions)).Soon();
            else
                await ssl.AuthenticateAsServerAsync(AsServer(protocols, versions)).Soon();
            return ssl;
        }
        catch
        {
            await ssl.DisposeAsync(); // it would keep its buffers
            throw;
        }
    }

    private static SslClientAuthenticationOptions AsClient(SslApplicationProtocol[] protocols, SslProtocols versions) => new()
    {
        TargetHost = TestTls.HostName,
        EnabledSslProtocols = versions,
        CertificateChainPolicy = TrustInTheRoot,
        ApplicationProtocols = protocols.Length == 0 ? null : [.. protocols],
    };

    private static SslServerAuthenticationOptions AsServer(SslApplicationProtocol[] protocols, SslProtocols versions) => new()
    {
        ServerCertificateContext = TestTls.ForServers.Certificate!.Context,
        EnabledSslProtocols = versions,
        AllowRenegotiation = true,
        ApplicationProtocols = protocols.Length == 0 ? null : [.. protocols],
    };

    private static X509ChainPolicy NewTrust()
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(TestTls.Root.Roots);
        return policy;
    }

    /// <summary>
    /// As a client, in TLS 1.2: goes through the handshake, asks for another one if it shall, and tells how the connection ended. A
    /// server's no goes out with what it writes next, so it keeps sending packets.
    /// </summary>
    public async Task<CloseInfo> MeetServerAsync(bool renegotiates)
    {
        using Socket raw = await OpenAsync();
        using var client = new OpenSslEnd(raw);
        await client.ShakeHandsAsync();
        await client.WriteAsync([.. WireBytes.Init, .. WireBytes.IdMap(adapt: true, (Registries.Name, 17)), .. WireBytes.Finish]);
        Connection connection = await MadeAsync();
        if (!renegotiates)
        {
            await client.WriteAsync(WireBytes.SoftQuit("reason.bye"));
            return await EndedAsync();
        }

        Task<string?> asking = client.RenegotiateAsync();
        try
        {
            for (; !asking.IsCompleted; await Task.WhenAny(asking, Task.Delay(1)))
                await connection.SendAsync(Registries.Name, null).Soon();
        }
        catch (ConnectionClosedException)
        {
            // That is how it shall end.
        }

        raw.Dispose();
        Assert.NotNull(await asking);
        return await EndedAsync();
    }

    public static async Task TrySendAsync(Socket socket, byte[] bytes)
    {
        try
        {
            await socket.SendAsync(bytes);
        }
        catch (SocketException)
        {
            // Refused already.
        }
    }

    /// <summary>The next record of TLS, with its header of five bytes.</summary>
    public static async Task<byte[]> ReadRecordAsync(Socket socket)
    {
        byte[] header = await ReadExactlyAsync(5);
        return [.. header, .. await ReadExactlyAsync(BinaryPrimitives.ReadUInt16BigEndian(header.AsSpan(3)))];

        async Task<byte[]> ReadExactlyAsync(int count)
        {
            byte[] bytes = new byte[count];
            for (int read = 0; read < count;)
            {
                int some = await socket.ReceiveAsync(bytes.AsMemory(read)).Soon();
                Assert.NotEqual(0, some);
                read += some;
            }

            return bytes;
        }
    }

    /// <summary>Everything up to the end, whatever kind of end.</summary>
    public static async Task<byte[]> ReadToEndAsync(Socket socket)
    {
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        return await ReadToEndAsync(stream);
    }

    public static async Task<byte[]> ReadToEndAsync(Stream stream)
    {
        var all = new MemoryStream();
        try
        {
            await stream.CopyToAsync(all).Soon();
        }
        catch (IOException)
        {
            // Cut.
        }

        return all.ToArray();
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_client.StopAsync(), _server.StopAsync()).Soon();
        _ = _connecting.ContinueWith(static ended => ended.Exception, TaskScheduler.Default);
        _replied.Dispose();
    }

    /// <summary>Sends packets and gets them back.</summary>
    internal sealed class Innocent(Connection connection, SemaphoreSlim replied)
    {
        public Connection Connection => connection;

        public async Task ExchangeAsync()
        {
            await connection.SendAsync(Registries.Name, "hello");
            await replied.WaitAsync().Soon();
        }
    }
}
