using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>A server or a client with TLS, bare sockets that play the other side, and a proper connection that must notice nothing of them.</summary>
internal sealed class TlsScene : IAsyncDisposable
{
    private readonly Channel<CloseInfo> _ended = Channel.CreateUnbounded<CloseInfo>();
    private readonly Server _server;
    private readonly Client _client;
    private readonly EndPoint _endPoint;
    private readonly Side _side;
    private readonly SemaphoreSlim _replied = new(0);
    private Task _connecting = Task.CompletedTask;

    private TlsScene(Side side, PeerOptions options, TlsOptions? tls)
    {
        _side = side;
        _server = new Server(
            Registries.Server(new EchoPacket(Registries.Name, TextWriter.Null)),
            (side == Side.Server ? options : new PeerOptions()) with { Tls = tls ?? TestTls.ForServers with { RequireClientCertificate = false, TrustedRoots = null } });
        _client = new Client(
            Registries.Client(Packet.Create((_, _) => _replied.Release())), (side == Side.Client ? options : new PeerOptions()) with { Tls = TestTls.ForClients });
        Peer tested = side == Side.Server ? _server : _client;
        tested.ConnectionRefused += (_, refused) => _ended.Writer.TryWrite(refused.CloseInfo);
        tested.ConnectionLost += (_, lost) => _ended.Writer.TryWrite(lost.CloseInfo);
        _endPoint = _server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
    }

    /// <summary>The connection on which nothing bad happens.</summary>
    public Innocent Bystander { get; private set; } = null!;

    public bool HasEnded => _ended.Reader.TryPeek(out _);

    public static async Task<TlsScene> BeginAsync(Side side, PeerOptions? options = null, TlsOptions? tls = null)
    {
        var scene = new TlsScene(side, options ?? new PeerOptions(), tls);
        scene.Bystander = new Innocent(await scene._client.ConnectAsync(scene._endPoint).Soon(), scene._replied);
        await scene.Bystander.ExchangeAsync();
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

    /// <summary>A second, good connection was made behind the last one: so the server has that one, too.</summary>
    public async Task AcceptedAsync()
    {
        Connection connection = await _client.ConnectAsync(_endPoint).Soon();
        connection.Abort();
        await connection.Closed.Soon();
        Assert.Equal(CloseReason.ConnectionReset, (await EndedAsync()).Reason);
    }

    public Task<CloseInfo> EndedAsync() => _ended.Reader.ReadAsync().Soon();

    /// <summary>The bystander goes on, and no other connection has ended.</summary>
    public async Task AssertNothingElseHappenedAsync()
    {
        await Bystander.ExchangeAsync();
        Assert.Equal(ConnectionState.Active, Bystander.Connection.State);
        Assert.False(_ended.Reader.TryPeek(out CloseInfo? other), other?.ToString());
    }

    /// <summary>TLS as a client that has no certificate of its own, with a stream of .NET's.</summary>
    public Task<SslStream> ShakeHandsAsync(Socket socket, params SslApplicationProtocol[] protocols) => ShakeHandsAsync(socket, stream => stream, protocols);

    public async Task<SslStream> ShakeHandsAsync(Socket socket, Func<Stream, Stream> wrap, params SslApplicationProtocol[] protocols)
    {
        var ssl = new SslStream(wrap(new NetworkStream(socket)));
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(TestTls.Root.Roots);
        try
        {
            await ssl.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = TestTls.HostName,
                CertificateChainPolicy = policy,
                ApplicationProtocols = protocols.Length == 0 ? null : [.. protocols],
            }).Soon();
            return ssl;
        }
        catch
        {
            await ssl.DisposeAsync(); // it would keep its buffers
            throw;
        }
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

    /// <summary>A network that takes one byte at a time.</summary>
    internal class OneByteWrites(Stream inner) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            for (int i = 0; i < buffer.Length; i++)
                await inner.WriteAsync(buffer.Slice(i, 1), cancellationToken);
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => inner.ReadAsync(buffer, cancellationToken);

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
