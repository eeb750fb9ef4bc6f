using System.Net.Security;
using System.Net.Sockets;

namespace PeerBench.Peers;

/// <summary>
/// The practical ceiling with TLS: as <see cref="RawFramed"/>, one blocking SslStream and one thread a connection, frames gathered in a buffer
/// of several records and parsed in place.
/// </summary>
public sealed class RawTlsFramed : Peer
{
    private const int BufferBytes = 256 * 1024;

    public override string Name => "raw-tls-framed";
    public override Work Supports => Work.W1;

    public override Task<PeerServer> StartServerAsync(int port, Scenario scenario)
    {
        var certificate = SslStreamCertificateContext.Create(BenchCertificate.Create(port), null, offline: true);
        var listener = Sockets.Listen(port);
        Sockets.AcceptLoop(listener, socket => new Thread(() =>
        {
            using var ssl = new SslStream(new NetworkStream(socket, ownsSocket: true));
            ssl.AuthenticateAsServer(new SslServerAuthenticationOptions { ServerCertificateContext = certificate });
            Receive(ssl, scenario.Sink);
        }) { IsBackground = true }.Start());
        return Task.FromResult<PeerServer>(new Server(listener));
    }

    public override Task<PeerClient> ConnectAsync(int port, Scenario scenario)
    {
        byte[] expected = BenchCertificate.ReadPublicPart(port).RawData;
        var ssl = new SslStream(new NetworkStream(Sockets.Connect(port), ownsSocket: true));
        ssl.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = BenchCertificate.HostName,
            RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.GetRawCertData().AsSpan().SequenceEqual(expected),
        });
        return Task.FromResult<PeerClient>(new Client(ssl));
    }

    private static void Receive(SslStream ssl, Sink sink)
    {
        byte[] buffer = new byte[BufferBytes];
        int end = 0;
        while (ssl.Read(buffer.AsSpan(end)) is var count and > 0)
        {
            end += count;
            int start = 0, messages = 0;
            long bytes = 0;
            while (end - start >= Frame.Header
                && System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start)) is var length && end - start - Frame.Header >= length)
            {
                start += Frame.Header + length;
                messages++;
                bytes += length;
            }

            sink.Add(messages, bytes);
            if (start > 0)
            {
                buffer.AsSpan(start, end - start).CopyTo(buffer);
                end -= start;
            }
        }
    }

    private sealed class Server(Socket listener) : PeerServer
    {
        public override ValueTask DisposeAsync()
        {
            listener.Dispose();
            return default;
        }
    }

    private sealed class Client(SslStream ssl) : PeerClient
    {
        private readonly byte[] _buffer = new byte[BufferBytes];
        private int _used;

        public override ValueTask SendAsync(byte[] payload)
        {
            if (Frame.Header + payload.Length > _buffer.Length - _used)
                Flush();
            Frame.WriteHeader(_buffer.AsSpan(_used), payload.Length);
            payload.CopyTo(_buffer, _used + Frame.Header);
            _used += Frame.Header + payload.Length;
            return default;
        }

        public override ValueTask FlushAsync()
        {
            Flush();
            return default;
        }

        public override ValueTask DisposeAsync() => ssl.DisposeAsync();

        private void Flush()
        {
            if (_used > 0)
                ssl.Write(_buffer.AsSpan(0, _used));
            _used = 0;
        }
    }
}
