using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// Group T of the catalogue of bad input: another side that speaks TLS well, and then does what it must not. While each case happens, a
/// second connection of the same peer goes on and notices nothing.
/// </summary>
public sealed class TlsBadSessionTests
{
    private const int ServerHello = 2;
    private const int Certificate = 11;
    private const int ServerKeyExchange = 12;
    private const int ServerHelloDone = 14;
    private const int NoApplicationProtocol = 120;

    private static readonly SslApplicationProtocol PacketMq = new("packetmq/1");

    public static TheoryData<Side> BothSides { get; } = [Side.Server, Side.Client];

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T07_a_renegotiation_is_refused(Side side)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Skip("The other side of it is only tried on Linux.");
            return;
        }

        await using var scene = await TlsScene.BeginAsync(side);
        CloseInfo end = side == Side.Server ? await scene.MeetServerAsync(renegotiates: true) : await AskClientAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("renegotiation", end.Description, StringComparison.OrdinalIgnoreCase);
        await scene.AssertNothingElseHappenedAsync();

        async Task<CloseInfo> AskClientAsync()
        {
            using Socket raw = await scene.OpenAsync();
            using SslStream ssl = await scene.ShakeHandsAsync(raw, stream => stream, [], SslProtocols.Tls12);
            await AssertSaysInitAsync(ssl); // data on its way would be in the way of it
            Task asking = ssl.NegotiateClientCertificateAsync(TestContext.Current.CancellationToken);
            Task<CloseInfo> ending = scene.EndedAsync();
            await Task.WhenAny(asking, ending);
            Assert.False(asking.IsCompletedSuccessfully, "The client went along with it.");
            _ = asking.ContinueWith(static ended => ended.Exception, TaskScheduler.Default); // it may wait for an answer until it is disposed
            return await ending;
        }
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T08_bytes_in_plain_text_behind_TLS_are_an_error(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await raw.SendAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(Side.Server)]
    public async Task T09_another_protocol_is_refused_with_its_alert(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        var told = await Assert.ThrowsAnyAsync<AuthenticationException>(() => scene.ShakeHandsAsync(raw, SslApplicationProtocol.Http11));
        if (OperatingSystem.IsLinux())
            Assert.Equal(NoApplicationProtocol, TlsAlert.Find(told));
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(Side.Client)]
    public async Task T09_a_server_that_speaks_only_other_protocols_is_left(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await Assert.ThrowsAnyAsync<AuthenticationException>(() => scene.ShakeHandsAsync(raw, SslApplicationProtocol.Http11));
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Remote), (end.Reason, end.Initiator));
        if (OperatingSystem.IsLinux())
            Assert.Contains("does not speak the protocol packetmq/1", end.Description, StringComparison.Ordinal);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(Side.Client)]
    public async Task T09_a_server_that_chooses_what_was_not_offered_is_refused(Side side)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("Such a server is only made on Linux.");
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using var server = new OpenSslEnd(raw, TestTls.Root.IssueServer(TestTls.HostName), "http/1.1"u8.ToArray());
        await Record.ExceptionAsync(server.ShakeHandsAsync); // newer versions of OpenSSL tell the server so themselves
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(true, Side.Server)]
    [InlineData(true, Side.Client)]
    [InlineData(false, Side.Server)]
    [InlineData(false, Side.Client)]
    public async Task T09_ours_is_chosen_and_none_is_taken(bool names, Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, names ? [SslApplicationProtocol.Http11, PacketMq] : []);
        Assert.Equal(names ? PacketMq : default, ssl.NegotiatedApplicationProtocol);
        await AssertSaysInitAsync(ssl);
    }

    [Theory]
    [InlineData(true, "reason.truncatedframe", Side.Server)]
    [InlineData(true, "reason.truncatedframe", Side.Client)]
    [InlineData(false, "reason.truncatedstream", Side.Server)]
    [InlineData(false, "reason.truncatedstream", Side.Client)]
    public async Task T10_an_end_without_close_notify_is_not_a_clean_end(bool insideAFrame, string reason, Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await ssl.WriteAsync(insideAFrame ? WireBytes.Init[..7] : WireBytes.Init, TestContext.Current.CancellationToken);
        raw.Shutdown(SocketShutdown.Send);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((reason, CloseInitiator.Remote), (end.Reason.Name, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T10_an_end_with_close_notify_is_a_disconnection_and_a_cut_after_a_softquit_is_the_softquit(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
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

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T10_a_record_that_was_changed_on_the_way_ends_the_connection(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        byte[] forged = [0x17, 0x03, 0x03, 0x00, 0x20, .. new byte[32]];
        await raw.SendAsync(forged, TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T12_the_certificate_is_looked_at_on_every_connection(Side side)
    {
        bool isListed = true;
        int calls = 0;
        Func<X509Certificate2, bool> look = _ =>
        {
            calls++;
            return isListed;
        };
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with { ValidateCertificate = side == Side.Server ? look : null },
            TestTls.ForClients with { ValidateCertificate = side == Side.Client ? look : null });
        await meeting.ConnectAsync();
        await meeting.ConnectAsync();
        isListed = false;
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        CloseInfo end = side == Side.Server ? server : client;
        Assert.Equal((CloseReason.CertificateRefused, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Equal(3, calls);
    }

    /// <summary>Seen in TLS 1.2, where a handshake goes in plain text: whoever could resume a session, each handshake is a whole one.</summary>
    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T12_no_session_is_resumed(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        for (int i = 0; i < 3; i++)
        {
            using Socket raw = await scene.OpenAsync();
            MeddledStream network = null!;
            using SslStream ssl = await scene.ShakeHandsAsync(
                raw, stream => network = new MeddledStream(stream), [PacketMq], SslProtocols.Tls12);
            await ssl.WriteAsync(WireBytes.SoftQuit("reason.bye"), TestContext.Current.CancellationToken);
            await TlsScene.ReadToEndAsync(ssl);
            Assert.Equal("reason.bye", (await scene.EndedAsync()).Reason.Name);

            // And no ticket behind them, which would make one of the next handshakes shorter.
            Assert.Equal(
                [ServerHello, Certificate, ServerKeyExchange, ServerHelloDone],
                HandshakeMessages(side == Side.Server ? network.ReadBytes : network.WrittenBytes));
        }
    }

    /// <summary>The other side goes between its hello and our answer to it: what fails first is a write.</summary>
    [Fact]
    public async Task A_reset_that_the_answer_to_a_hello_finds_is_one_and_no_fault_of_TLS()
    {
        Socket? raw = null;
        TlsOptions tls = TestTls.ForServers with
        {
            RequireClientCertificate = false,
            TrustedRoots = null,
            Certificate = null,
            CertificateSelector = _ =>
            {
                raw?.Close(timeout: 0);
                return TestTls.ForServers.Certificate;
            },
        };
        await using var scene = await TlsScene.BeginAsync(Side.Server, tls: tls);
        raw = await scene.OpenAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => scene.ShakeHandsAsync(raw));
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.ConnectionReset, CloseInitiator.Transport), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    private static async Task AssertSaysInitAsync(SslStream ssl)
    {
        byte[] first = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(first, TestContext.Current.CancellationToken).AsTask().Soon();
        Assert.Equal(WireBytes.Init, first);
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
}
