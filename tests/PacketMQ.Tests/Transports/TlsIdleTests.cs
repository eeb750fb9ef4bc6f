using System.Buffers;
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
    private readonly List<byte[]> _kept = [];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>A server that speaks TLS 1.3 sends session tickets behind its handshake: records without data.</summary>
    [Fact]
    public async Task Session_tickets_leave_no_buffer_behind_and_end_no_read()
    {
        (TlsConnection connection, SslStream server, Socket raw) = await OpenAsync();
        await using TlsConnection client = connection;
        await using SslStream owned = server;
        Task<ReadResult> read = client.Input.ReadAsync(Cancelled).AsTask();
        byte[] tickets = Assert.Single(_kept);
        await raw.SendAsync(tickets.AsMemory(..^1), Cancelled);
        await Bounded.UntilAsync(() => client.IncompleteBytes > 0 && client.UnpooledBytes > 0);
        await raw.SendAsync(tickets.AsMemory(^1..), Cancelled);
        await ReleasedAsync(client);
        Assert.False(read.IsCompleted);
        await raw.SendAsync(await EncryptAsync(server, [1, 2, 3]), Cancelled);
        Assert.Equal([1, 2, 3], (await read.Soon()).Buffer.ToArray());
    }

    /// <summary>Behind a read that was filled to the last byte there may be a record without data, so that nobody knows whether a buffer is held.</summary>
    [Fact]
    public async Task A_full_read_may_leave_a_buffer_behind_until_it_is_released()
    {
        (TlsConnection connection, SslStream server, Socket raw) = await OpenAsync();
        await using TlsConnection client = connection;
        await using SslStream owned = server;
        await raw.SendAsync(Assert.Single(_kept), Cancelled);
        await raw.SendAsync(await EncryptAsync(server, new byte[ReceiveBuffer.SmallestArray]), Cancelled);
        ReadResult result = await client.Input.ReadAsync(Cancelled).Soon();
        Assert.Equal(ReceiveBuffer.SmallestArray, result.Buffer.Length);
        client.Input.AdvanceTo(result.Buffer.End);
        Task<ReadResult> read = client.Input.ReadAsync(Cancelled).AsTask();
        Assert.Equal(32 * 1024, client.UnpooledBytes);
        await ReleasedAsync(client);
        Assert.False(read.IsCompleted);
    }

    [Fact]
    public async Task A_wait_that_begins_anew_loses_nothing()
    {
        (TlsConnection connection, SslStream server, Socket raw) = await OpenAsync();
        await using TlsConnection client = connection;
        await using SslStream owned = server;
        byte[] sent = Pattern.Bytes(0, 5_000);
        var records = new List<byte>(Assert.Single(_kept));
        for (int at = 0; at < sent.Length; at += 50)
            records.AddRange(await EncryptAsync(server, sent[at..(at + 50)]));
        raw.NoDelay = true;
        using var end = new CancellationTokenSource();
        Task renewing = Task.Run(
            () =>
            {
                while (!end.IsCancellationRequested)
                {
                    ((TlsPipeReader)client.Input).RenewWait();
                    Thread.Yield();
                }
            },
            Cancelled);
        Task sending = Task.Run(
            async () =>
            {
                for (int i = 0; i < records.Count; i += 7)
                    await raw.SendAsync(records.Slice(i, Math.Min(7, records.Count - i)).ToArray(), Cancelled);
            },
            Cancelled);
        var received = new List<byte>();
        try
        {
            while (received.Count < sent.Length)
            {
                ReadResult result = await client.Input.ReadAsync(Cancelled).Soon();
                received.AddRange(result.Buffer.ToArray());
                client.Input.AdvanceTo(result.Buffer.End);
            }
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(renewing, sending).Soon();
        }

        Assert.Equal(sent, received);
    }

    /// <summary>A client, and a server whose bytes behind its first flight are kept, so that the test sends them.</summary>
    private async Task<(TlsConnection Client, SslStream Server, Socket Raw)> OpenAsync()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        var client = new TlsConnection(new SocketConnection(left), new TlsHandshake(new TlsCredentials(TestTls.ForClients), TestTls.HostName));
        var network = new MeddledStream(new NetworkStream(right, ownsSocket: true), (bytes, write) => write == 0 ? [bytes] : Keep(bytes));
        var server = new SslStream(network);
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = TestTls.ForServers.Certificate!.Context,
            EnabledSslProtocols = SslProtocols.Tls13,
            ApplicationProtocols = [new SslApplicationProtocol("packetmq/1")],
        };
        Task<IOException?> opening = client.OpenAsync();
        await Task.WhenAll(opening, server.AuthenticateAsServerAsync(options, Cancelled)).Soon();
        Assert.Null(await opening);
        return (client, server, right);
    }

    private async Task<byte[]> EncryptAsync(SslStream server, byte[] bytes)
    {
        _kept.Clear();
        await server.WriteAsync(bytes, Cancelled);
        return Assert.Single(_kept);
    }

    private byte[][] Keep(byte[] bytes)
    {
        _kept.Add(bytes);
        return [];
    }

    private static Task ReleasedAsync(TransportConnection connection)
        => Bounded.UntilAsync(() =>
        {
            connection.ReleaseUnpooledBytes();
            return connection.IncompleteBytes == 0 && connection.UnpooledBytes == 0;
        });
}
