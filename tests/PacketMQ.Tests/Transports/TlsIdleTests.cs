using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using PacketMQ.Tests.Conformance;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>What a TLS connection holds while nothing comes: no buffer, whatever came last.</summary>
public sealed class TlsIdleTests
{
    private const int Waves = 3;

    /// <summary>A server that speaks TLS 1.3 sends session tickets behind its handshake: records without data.</summary>
    [Fact]
    public async Task Session_tickets_leave_no_buffer_behind_and_end_no_read()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        using Socket raw = right;
        await using var client = new TlsConnection(new SocketConnection(left), new TlsHandshake(new TlsCredentials(TestTls.ForClients), TestTls.HostName));
        var kept = new List<byte[]>();
        var network = new MeddledStream(new NetworkStream(right), (bytes, write) => write == 0 ? [bytes] : Keep(kept, bytes));
        await using var server = new SslStream(network);
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = TestTls.ForServers.Certificate!.Context,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [new SslApplicationProtocol("packetmq/1")],
        };
        await Task.WhenAll(client.OpenAsync().AsTask(), server.AuthenticateAsServerAsync(options, TestContext.Current.CancellationToken)).Soon();
        Task<ReadResult> read = client.Input.ReadAsync(TestContext.Current.CancellationToken).AsTask();

        byte[] tickets = Assert.Single(kept);
        await raw.SendAsync(tickets.AsMemory(..^1), TestContext.Current.CancellationToken);
        await Bounded.UntilAsync(() => client.IncompleteBytes > 0 && client.UnpooledBytes > 0);
        client.ReleaseUnpooledBytes(); // not now: the rest is to come
        await raw.SendAsync(tickets.AsMemory(^1..), TestContext.Current.CancellationToken);
        await ReleasedAsync(client);
        Assert.False(read.IsCompleted);

        for (int wave = 0; wave < Waves; wave++)
        {
            kept.Clear();
            await server.WriteAsync(new byte[] { 1, 2, 3 }, TestContext.Current.CancellationToken);
            await raw.SendAsync(Assert.Single(kept), TestContext.Current.CancellationToken);
            ReadResult result = await read.Soon();
            Assert.Equal(3, result.Buffer.Length);
            client.Input.AdvanceTo(result.Buffer.End);
            read = client.Input.ReadAsync(TestContext.Current.CancellationToken).AsTask();
            await ReleasedAsync(client);
            Assert.False(read.IsCompleted);
        }
    }

    private static Task ReleasedAsync(TransportConnection connection)
        => Bounded.UntilAsync(() =>
        {
            connection.ReleaseUnpooledBytes();
            return connection.IncompleteBytes == 0 && connection.UnpooledBytes == 0;
        });

    private static byte[][] Keep(List<byte[]> kept, byte[] bytes)
    {
        kept.Add(bytes);
        return [];
    }
}
