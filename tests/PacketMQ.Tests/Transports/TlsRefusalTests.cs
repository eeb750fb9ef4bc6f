using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>Behind a TLS handshake that failed nobody has proved anything: what comes can be counted, and not read.</summary>
public sealed class TlsRefusalTests
{
    private static readonly byte[] Nonsense = Convert.FromHexString("1603010005ffffffffff");

    [Fact]
    public async Task What_comes_behind_a_refused_handshake_is_as_many_zeros()
    {
        (TransportConnection raw, TransportConnection inner) = await SocketPair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await using TransportConnection client = raw;
        await using var server = new TlsConnection((SocketConnection)inner, new TlsHandshake(new TlsCredentials(TestTls.ForServers), targetHost: null));
        await client.Output.WriteAsync(Nonsense, TestContext.Current.CancellationToken);
        TlsFault fault = Assert.IsType<TlsFault>(await server.OpenAsync().Soon());
        Assert.Equal("The other side did not begin TLS with a hello that can be read.", fault.Message);

        byte[] secret = new byte[20_000];
        secret.AsSpan().Fill(0xaa);
        await client.Output.WriteAsync(secret, TestContext.Current.CancellationToken);
        long count = 0;
        while (count < secret.Length)
        {
            ReadResult read = await server.Input.ReadAsync(TestContext.Current.CancellationToken).Soon();
            Assert.Equal(-1, read.Buffer.ToArray().AsSpan().IndexOfAnyExcept((byte)0));
            Assert.False(read.IsCompleted);
            count += read.Buffer.Length;
            server.Input.AdvanceTo(read.Buffer.End);
        }

        Assert.Equal(secret.Length, count);
        Task<ReadResult> pending = server.Input.ReadAsync(TestContext.Current.CancellationToken).AsTask();
        server.Input.CancelPendingRead();
        Assert.True((await pending.Soon()).IsCanceled);
        server.Input.AdvanceTo((await pending).Buffer.End);
        await client.Output.CompleteAsync();
        Assert.True((await server.Input.ReadAsync(TestContext.Current.CancellationToken).Soon()).IsCompleted);
    }
}
