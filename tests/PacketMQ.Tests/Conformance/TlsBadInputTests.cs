using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Time.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// Group T of the catalogue of bad input: what is sent to a server or a client with TLS instead of a proper handshake, or behind one. While each
/// case happens, a second connection of the same peer goes on and notices nothing.
/// </summary>
public sealed class TlsBadInputTests
{
    private static readonly SslApplicationProtocol PacketMq = new("packetmq/1");

    /// <summary>The rows that are bytes instead of TLS.</summary>
    public static TheoryData<string, string, Side, string, string> PlainRows { get; } = new()
    {
        { "T02", "0000000d 0000 81 c40776657273696f6e 01", Side.Server, "reason.tlsrequired", "looks like PacketMQ in plain text" },
        { "T02", "0000000d 0000 81 c40776657273696f6e 01", Side.Client, "reason.tlsrequired", "looks like PacketMQ in plain text" },
        { "T02 HTTP", "474554202f20485454502f312e310d0a0d0a", Side.Server, "reason.tlsrequired", "looks like HTTP" },
        { "T02 HTTP", "485454502f312e3120343030200d0a0d0a", Side.Client, "reason.tlsrequired", "looks like HTTP" },
        { "T02 SSH", "5353482d322e302d780d0a", Side.Server, "reason.tlsrequired", "looks like SSH" },
        { "T02 nonsense", "ffffffffffffffffffff", Side.Server, "reason.tlsrequired", "does not speak TLS" },
        // A record of a handshake whose message is none.
        { "T11 nonsense", "1603010005ffffffffff", Side.Server, "reason.tlsfailed", "TLS" },
        { "T11 nonsense", "1603030005ffffffffff", Side.Client, "reason.tlsfailed", "TLS" },
    };

    [Theory]
    [MemberData(nameof(PlainRows))]
    public async Task T02_what_is_not_TLS_is_dropped_without_an_answer_in_plain_text(string name, string bytes, Side side, string reason, string hint)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(WireBytes.Hex(bytes), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((name, reason, CloseInitiator.Local), (name, end.Reason.Name, end.Initiator));
        Assert.Contains(hint, end.Description, StringComparison.Ordinal);
        Assert.DoesNotContain(end.Description, char.IsControl);
        byte[] answer = await TlsScene.ReadToEndAsync(raw);
        if (name.StartsWith("T02", StringComparison.Ordinal) && side == Side.Server)
            Assert.Empty(answer);
        else
            Assert.True(answer.Length == 0 || answer[0] is 0x15 or 0x16, "An answer that is not TLS.");
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task T01_a_beginning_and_then_silence_ends_with_the_time_out_of_TLS(int count)
    {
        var time = new FakeTimeProvider();
        await using var scene = await TlsScene.BeginAsync(Side.Server, new PeerOptions { TimeProvider = time, HandshakeTimeout = TimeSpan.FromMinutes(1) });
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(new byte[] { 0x16, 0x03, 0x01 }.AsMemory(0, count), TestContext.Current.CancellationToken);
        await scene.AcceptedAsync();
        for (int second = 0; second < 9; second++)
            time.Advance(TimeSpan.FromSeconds(1));
        await scene.Bystander.ExchangeAsync();
        Assert.False(scene.HasEnded);
        time.Advance(TimeSpan.FromSeconds(2));
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.HandshakeTimeout, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("TLS handshake took longer than 10 s", end.Description, StringComparison.Ordinal);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T01_silence_behind_TLS_has_the_time_of_the_whole_handshake()
    {
        var time = new FakeTimeProvider();
        await using var scene = await TlsScene.BeginAsync(Side.Server, new PeerOptions { TimeProvider = time, HandshakeTimeout = TimeSpan.FromSeconds(20) });
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        byte[] first = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(first, TestContext.Current.CancellationToken).AsTask().Soon();
        for (int second = 0; second < 19; second++)
            time.Advance(TimeSpan.FromSeconds(1));
        await scene.Bystander.ExchangeAsync();
        Assert.False(scene.HasEnded);
        time.Advance(TimeSpan.FromSeconds(1));
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.HandshakeTimeout, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("The handshake took longer than 20 s", end.Description, StringComparison.Ordinal);
        Assert.Equal(WireBytes.SoftQuit(CloseReason.HandshakeTimeout), await TlsScene.ReadToEndAsync(ssl));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T01_one_byte_a_second_gains_no_time()
    {
        var time = new FakeTimeProvider();
        await using var scene = await TlsScene.BeginAsync(Side.Server, new PeerOptions { TimeProvider = time });
        using Socket raw = await scene.OpenAsync();
        await scene.AcceptedAsync();
        byte[] hello = [0x16, 0x03, 0x01, 0x01, 0x00, 0x01, 0x00, 0x00, 0xfc, 0x03, 0x03, 0x00];
        foreach (byte one in hello)
        {
            if (scene.HasEnded)
                break;
            await TlsScene.TrySendAsync(raw, [one]);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(CloseReason.HandshakeTimeout, (await scene.EndedAsync()).Reason);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(0x0301)]
    [InlineData(0x0302)]
    public async Task T03_versions_below_1_2_are_refused_with_an_alert(int version)
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(ClientHello(version), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        byte[] answer = await TlsScene.ReadToEndAsync(raw);
        Assert.Equal((0x15, 7), (answer[0], answer.Length)); // the alert, and nothing else
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T04_a_side_without_a_certificate_is_told_the_reason_and_nothing_else()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server, tls: TestTls.ForServers);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.CertificateRefused, CloseInitiator.Local), (end.Reason, end.Initiator));
        byte[] told = await TlsScene.ReadToEndAsync(ssl);
        Assert.Equal(WireBytes.SoftQuit(CloseReason.CertificateRefused), told); // and nothing else: no INIT, no names of packets
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T07_a_renegotiation_is_refused()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("The other side of it is only tried on Linux.");
            return;
        }

        await using var scene = await TlsScene.BeginAsync(Side.Client);
        using Socket raw = await scene.OpenAsync();
        await using var ssl = new SslStream(new NetworkStream(raw));
        await ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = TestTls.ForServers.Certificate!.Context,
            EnabledSslProtocols = SslProtocols.Tls12,
            AllowRenegotiation = true,
        }, TestContext.Current.CancellationToken).Soon();
        byte[] first = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(first, TestContext.Current.CancellationToken).AsTask().Soon(); // data on its way would be in the way of it
        Task asking = ssl.NegotiateClientCertificateAsync(TestContext.Current.CancellationToken);
        Task<CloseInfo> ending = scene.EndedAsync();
        await Task.WhenAny(asking, ending);
        Assert.False(asking.IsCompletedSuccessfully, "The client went along with it.");
        CloseInfo end = await ending;
        _ = asking.ContinueWith(static ended => ended.Exception, TaskScheduler.Default); // it may wait for an answer until it is disposed
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("renegotiation", end.Description, StringComparison.OrdinalIgnoreCase);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T08_bytes_in_plain_text_before_TLS_are_an_error()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync((byte[])[.. WireBytes.Init, .. ClientHello(0x0303)], TestContext.Current.CancellationToken);
        Assert.Equal(CloseReason.TlsRequired, (await scene.EndedAsync()).Reason);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T09_another_protocol_is_refused_with_its_alert_and_none_is_accepted()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using (Socket raw = await scene.OpenAsync())
        {
            await Assert.ThrowsAnyAsync<AuthenticationException>(() => scene.ShakeHandsAsync(raw, SslApplicationProtocol.Http11));
            CloseInfo end = await scene.EndedAsync();
            Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        }

        await scene.AssertNothingElseHappenedAsync();
        using Socket second = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(second);
        await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        byte[] answer = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(answer, TestContext.Current.CancellationToken).AsTask().Soon();
        Assert.Equal(WireBytes.Init, answer);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task T09_a_client_offers_its_protocol_and_takes_a_server_that_chooses_none(bool chooses)
    {
        await using var scene = await TlsScene.BeginAsync(Side.Client);
        using Socket raw = await scene.OpenAsync();
        await using var ssl = new SslStream(new NetworkStream(raw));
        await ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = TestTls.ForServers.Certificate!.Context,
            ApplicationProtocols = chooses ? [SslApplicationProtocol.Http11, PacketMq] : null,
        }, TestContext.Current.CancellationToken).Soon();
        Assert.Equal(chooses ? PacketMq : default, ssl.NegotiatedApplicationProtocol);
        byte[] first = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(first, TestContext.Current.CancellationToken).AsTask().Soon();
        Assert.Equal(WireBytes.Init, first);
    }

    [Theory]
    [InlineData(true, "reason.truncatedframe")]
    [InlineData(false, "reason.truncatedstream")]
    public async Task T10_an_end_without_close_notify_is_not_a_clean_end(bool insideAFrame, string reason)
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await ssl.WriteAsync(insideAFrame ? WireBytes.Init[..7] : WireBytes.Init, TestContext.Current.CancellationToken);
        raw.Shutdown(SocketShutdown.Send);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((reason, CloseInitiator.Remote), (end.Reason.Name, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T10_an_end_with_close_notify_is_a_disconnection_and_a_cut_after_a_softquit_is_the_softquit()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using (Socket raw = await scene.OpenAsync())
        {
            using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
            await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
            await ssl.ShutdownAsync();
            raw.Shutdown(SocketShutdown.Send);
            Assert.Equal(CloseReason.Disconnected, (await scene.EndedAsync()).Reason);
        }

        using Socket second = await scene.OpenAsync();
        using SslStream quitting = await scene.ShakeHandsAsync(second, PacketMq);
        await quitting.WriteAsync(WireBytes.SoftQuit("reason.bye"), TestContext.Current.CancellationToken);
        second.Shutdown(SocketShutdown.Send);
        Assert.Equal("reason.bye", (await scene.EndedAsync()).Reason.Name);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T10_a_record_that_was_changed_on_the_way_ends_the_connection()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        byte[] forged = [0x17, 0x03, 0x03, 0x00, 0x20, .. new byte[32]];
        await raw.SendAsync(forged, TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T11_a_handshake_byte_by_byte_works()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, stream => new TlsScene.OneByteWrites(stream), PacketMq);
        await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        byte[] answer = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(answer, TestContext.Current.CancellationToken).AsTask().Soon();
        Assert.Equal(WireBytes.Init, answer);
    }

    [Fact]
    public async Task T11_a_hello_of_64_KiB_is_refused()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        // A handshake message of 256 KiB, in records of 16 KiB; nobody waits for its end.
        for (int i = 0; i < 17; i++)
        {
            byte[] record = new byte[5 + 16_384];
            (record[0], record[1], record[2], record[3], record[4]) = (0x16, 0x03, 0x01, 0x40, 0x00);
            if (i == 0)
                (record[5], record[6], record[7], record[8]) = (0x01, 0x04, 0x00, 0x00);
            await TlsScene.TrySendAsync(raw, record);
        }

        Assert.Equal(CloseReason.TlsFailed, (await scene.EndedAsync()).Reason);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task T12_the_certificate_is_looked_at_on_every_connection()
    {
        bool isListed = true;
        int calls = 0;
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with { ValidateCertificate = _ => { calls++; return isListed; } }, TestTls.ForClients);
        await meeting.ConnectAsync();
        await meeting.ConnectAsync();
        isListed = false;
        Assert.Equal(CloseReason.CertificateRefused, (await meeting.RefusedAsync()).Server.Reason);
        Assert.Equal(3, calls);
    }

    /// <summary>Seen in TLS 1.2, where a handshake goes in plain text: no ticket is given out, and each handshake is a whole one.</summary>
    [Fact]
    public async Task T12_no_session_is_resumed()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        for (int i = 0; i < 3; i++)
        {
            using Socket raw = await scene.OpenAsync();
            var network = new RecordingReads(new NetworkStream(raw));
            using var ssl = new SslStream(network);
            await ssl.AuthenticateAsClientAsync(Resuming).Soon();
            await ssl.WriteAsync(WireBytes.SoftQuit("reason.bye"), TestContext.Current.CancellationToken);
            await TlsScene.ReadToEndAsync(ssl);
            Assert.Equal("reason.bye", (await scene.EndedAsync()).Reason.Name);
            Assert.Equal([ServerHello, Certificate, ServerKeyExchange, ServerHelloDone], HandshakeMessages(network.Bytes));
        }
    }

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

    /// <summary>A hello with this version and two cipher suites of it, and no extensions.</summary>
    internal static byte[] ClientHello(int version)
    {
        byte[] body = [(byte)(version >> 8), (byte)version, .. new byte[32], 0, 0, 4, 0xc0, 0x0a, 0x00, 0x35, 1, 0];
        return [0x16, 0x03, 0x01, 0, (byte)(body.Length + 4), 0x01, 0, 0, (byte)body.Length, .. body];
    }

    private const int ServerHello = 2;
    private const int Certificate = 11;
    private const int ServerKeyExchange = 12;
    private const int ServerHelloDone = 14;

    private static SslClientAuthenticationOptions Resuming { get; } = new()
    {
        TargetHost = TestTls.HostName,
        EnabledSslProtocols = SslProtocols.Tls12,
        AllowTlsResume = true,
        CertificateChainPolicy = NewTrust(),
        ApplicationProtocols = [PacketMq],
    };

    private static X509ChainPolicy NewTrust()
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(TestTls.Root.Roots);
        return policy;
    }

    /// <summary>The types of the handshake messages before the server begins to encrypt.</summary>
    private static List<int> HandshakeMessages(byte[] bytes)
    {
        var messages = new List<byte>();
        for (int at = 0; bytes[at] == 0x16; at += 5 + ((bytes[at + 3] << 8) | bytes[at + 4]))
            messages.AddRange(bytes.AsSpan(at + 5, (bytes[at + 3] << 8) | bytes[at + 4]));
        var types = new List<int>();
        for (int at = 0; at < messages.Count; at += 4 + ((messages[at + 1] << 16) | (messages[at + 2] << 8) | messages[at + 3]))
            types.Add(messages[at]);
        return types;
    }

    /// <summary>Keeps what was read.</summary>
    private sealed class RecordingReads(Stream inner) : TlsScene.OneByteWrites(inner)
    {
        private readonly MemoryStream _bytes = new();

        public byte[] Bytes => _bytes.ToArray();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await base.ReadAsync(buffer, cancellationToken);
            _bytes.Write(buffer.Span[..read]);
            return read;
        }
    }
}
