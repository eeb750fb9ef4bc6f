using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;

namespace PeerBench.Peers;

/// <summary>
/// The practical ceiling with TLS: as <see cref="RawFramed"/>, one blocking SslStream and one thread a connection, frames gathered in a buffer
/// of several records and parsed in place. Or the same loop with asynchronous reads and writes, as a server of many connections has to have it.
/// </summary>
public sealed class RawTlsFramed(bool isAsync = false) : Peer
{
    private const int BufferBytes = 256 * 1024;

    public override string Name => isAsync ? "raw-tls-async" : "raw-tls-framed";
    public override Work Supports => Work.W1;

    public override Task<PeerServer> StartServerAsync(int port, Scenario scenario)
    {
        var certificate = SslStreamCertificateContext.Create(BenchCertificate.Create(port), null, offline: true);
        var listener = Sockets.Listen(port);
        Sockets.AcceptLoop(listener, socket =>
        {
            if (isAsync)
                _ = Task.Run(() => ServeAsync(socket, certificate, scenario.Sink));
            else
                new Thread(() => Serve(socket, certificate, scenario.Sink)) { IsBackground = true }.Start();
        });
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
        return Task.FromResult<PeerClient>(new Client(ssl, isAsync));
    }

    private static void Serve(Socket socket, SslStreamCertificateContext certificate, Sink sink)
    {
        using var ssl = new SslStream(new NetworkStream(socket, ownsSocket: true));
        ssl.AuthenticateAsServer(new SslServerAuthenticationOptions { ServerCertificateContext = certificate });
        byte[] buffer = new byte[BufferBytes];
        int end = 0;
        while (ssl.Read(buffer.AsSpan(end)) is var count and > 0)
            end = Take(buffer, end + count, sink);
    }

    private static async Task ServeAsync(Socket socket, SslStreamCertificateContext certificate, Sink sink)
    {
        await using var ssl = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = certificate });
        byte[] buffer = new byte[BufferBytes];
        int end = 0;
        while (await ssl.ReadAsync(buffer.AsMemory(end)) is var count and > 0)
            end = Take(buffer, end + count, sink);
    }

    // Counts the whole frames and moves the rest to the front. Returns where that ends.
    private static int Take(byte[] buffer, int end, Sink sink)
    {
        int start = 0, messages = 0;
        long bytes = 0;
        while (end - start >= Frame.Header
            && BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start)) is var length && end - start - Frame.Header >= length)
        {
            start += Frame.Header + length;
            messages++;
            bytes += length;
        }

        sink.Add(messages, bytes);
        if (start > 0)
            buffer.AsSpan(start, end - start).CopyTo(buffer);
        return end - start;
    }

    private sealed class Server(Socket listener) : PeerServer
    {
        public override ValueTask DisposeAsync()
        {
            listener.Dispose();
            return default;
        }
    }

    private sealed class Client(SslStream ssl, bool isAsync) : PeerClient
    {
        private readonly byte[] _buffer = new byte[BufferBytes];
        private int _used;

        public override ValueTask SendAsync(byte[] payload)
        {
            if (Frame.Header + payload.Length > _buffer.Length - _used)
            {
                ValueTask flushing = FlushAsync();
                if (!flushing.IsCompletedSuccessfully)
                    return AppendAfterAsync(flushing, payload);
            }

            Append(payload);
            return default;
        }

        public override ValueTask FlushAsync()
        {
            int count = _used;
            _used = 0;
            if (count == 0)
                return default;
            if (isAsync)
                return ssl.WriteAsync(_buffer.AsMemory(0, count));
            ssl.Write(_buffer.AsSpan(0, count));
            return default;
        }

        public override ValueTask DisposeAsync() => ssl.DisposeAsync();

        private async ValueTask AppendAfterAsync(ValueTask flushing, byte[] payload)
        {
            await flushing;
            Append(payload);
        }

        private void Append(byte[] payload)
        {
            Frame.WriteHeader(_buffer.AsSpan(_used), payload.Length);
            payload.CopyTo(_buffer, _used + Frame.Header);
            _used += Frame.Header + payload.Length;
        }
    }
}
