using System.Net.Security;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>How many TLS handshakes compute at the same time, and who takes a place among them.</summary>
public sealed class TlsConcurrencyTests
{
    private static readonly SslApplicationProtocol PacketMq = new("packetmq/1");

    [Fact]
    public async Task Silent_connections_take_no_place_from_those_who_speak()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server, tls: TestTls.ForServers with { MaxConcurrentHandshakes = 1, RequireClientCertificate = false, TrustedRoots = null });
        var silent = new List<Socket>();
        for (int i = 0; i < 5; i++)
        {
            silent.Add(await scene.OpenAsync());
            if (i % 2 == 0)
                await silent[i].SendAsync(new byte[] { 0x16, 0x03, 0x01 }, TestContext.Current.CancellationToken);
        }

        for (int i = 0; i < 3; i++)
        {
            using Socket raw = await scene.OpenAsync();
            using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        }

        silent.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task No_more_handshakes_than_allowed_compute_at_once()
    {
        int running = 0;
        int most = 0;
        int entered = 0;
        using var go = new SemaphoreSlim(0);
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with
            {
                MaxConcurrentHandshakes = 2,
                ValidateCertificate = _ =>
                {
                    lock (go)
                        most = Math.Max(most, ++running);
                    Interlocked.Increment(ref entered);
                    go.Wait(TestContext.Current.CancellationToken);
                    lock (go)
                        running--;
                    return true;
                },
            }, TestTls.ForClients with { MaxConcurrentHandshakes = 8 });
        Task<Connection>[] connecting = [.. Enumerable.Range(0, 6).Select(_ => meeting.Client.ConnectAsync(meeting.EndPoint))];
        // One after the other is let through, so that whoever should wait has every chance not to.
        for (int through = 0; through < connecting.Length; through++)
        {
            await Bounded.UntilAsync(() => Volatile.Read(ref entered) >= Math.Min(through + 2, connecting.Length));
            go.Release();
            await Bounded.UntilAsync(() => connecting.Count(one => one.IsCompleted) > through);
        }

        await Task.WhenAll(connecting).Soon();
        Assert.Equal(2, Volatile.Read(ref most));
    }
}
