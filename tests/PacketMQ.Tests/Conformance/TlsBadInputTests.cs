using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// Group T of the catalogue of bad input: what is sent to a server or a client with TLS instead of a proper handshake. While each case
/// happens, a second connection of the same peer goes on and notices nothing. (What goes wrong in TLS that is spoken well:
/// <see cref="TlsBadSessionTests"/>; certificates: <see cref="TlsCertificateTests"/>.)
/// </summary>
public sealed class TlsBadInputTests
{
    private const int UnexpectedMessage = 10;
    private const int HandshakeFailure = 40;
    private const int IllegalParameter = 47;
    private const int ProtocolVersion = 70;

    private static readonly SslApplicationProtocol PacketMq = new("packetmq/1");

    public static TheoryData<Side> BothSides { get; } = [Side.Server, Side.Client];

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
        var logs = new FakeLogCollector();
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { LoggerFactory = new Journal(logs) });
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(WireBytes.Hex(bytes), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((name, reason, CloseInitiator.Local), (name, end.Reason.Name, end.Initiator));
        Assert.Contains(hint, end.Description, StringComparison.Ordinal);
        Assert.Contains(logs.GetSnapshot(), line => line.Message.Contains(hint, StringComparison.Ordinal));
        Assert.DoesNotContain(end.Description, char.IsControl);
        byte[] answer = await TlsScene.ReadToEndAsync(raw);
        if (name.StartsWith("T02", StringComparison.Ordinal) && side == Side.Server)
            Assert.Empty(answer);
        else
            Assert.True(answer.Length == 0 || answer[0] is 0x15 or 0x16, "An answer that is not TLS.");
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(0, Side.Server)]
    [InlineData(0, Side.Client)]
    [InlineData(3, Side.Server)]
    [InlineData(3, Side.Client)]
    public async Task T01_a_beginning_and_then_silence_ends_with_the_time_out_of_TLS(int count, Side side)
    {
        var time = new WatchedTime();
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = time, HandshakeTimeout = TimeSpan.FromMinutes(1) });
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(new byte[] { 0x16, 0x03, 0x01 }.AsMemory(0, count), TestContext.Current.CancellationToken);
        await scene.BegunAsync(raw);
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

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T01_silence_behind_TLS_has_the_time_of_the_whole_handshake(Side side)
    {
        var time = new WatchedTime();
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = time, HandshakeTimeout = TimeSpan.FromSeconds(20) });
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

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T01_one_byte_a_second_gains_no_time(Side side)
    {
        var time = new WatchedTime();
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = time });
        using Socket raw = await scene.OpenAsync();
        await scene.BegunAsync(raw);
        byte[] hello = [0x16, 0x03, 0x01, 0x01, 0x00, (byte)(side == Side.Server ? 1 : 2), 0x00, 0x00, 0xfc, 0x03, 0x03, 0x00];
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
    [InlineData(0x0301, Side.Server)]
    [InlineData(0x0301, Side.Client)]
    [InlineData(0x0302, Side.Server)]
    [InlineData(0x0302, Side.Client)]
    public async Task T03_versions_below_1_2_are_refused_with_an_alert(int version, Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(side == Side.Server ? HelloBytes.OfClient(version) : HelloBytes.OfServer(version), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        // The version itself is refused, or that no cipher suite of ours goes with it: as the system has set OpenSSL.
        await AssertAnswersWithAnAlertAsync(scene, raw, ProtocolVersion, HandshakeFailure, IllegalParameter);
        await scene.AssertNothingElseHappenedAsync();
    }

    /// <summary>So it is the version that is refused above, and nothing else about those bytes.</summary>
    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T03_the_same_hello_in_1_2_is_taken(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(side == Side.Server ? HelloBytes.OfClient(0x0303) : HelloBytes.OfServer(0x0303), TestContext.Current.CancellationToken);
        Assert.Equal(0x16, (await TlsScene.ReadRecordAsync(raw))[0]); // a server's answer, or the hello with which a client has begun
        raw.Shutdown(SocketShutdown.Send);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Remote), (end.Reason, end.Initiator));
        Assert.Contains("ended the stream in the TLS handshake", end.Description, StringComparison.Ordinal);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(Side.Server)]
    public async Task T04_a_side_without_a_certificate_is_told_the_reason_and_nothing_else(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side, tls: TestTls.ForServers);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        await ssl.WriteAsync(WireBytes.Init, TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.CertificateRefused, CloseInitiator.Local), (end.Reason, end.Initiator));
        byte[] told = await TlsScene.ReadToEndAsync(ssl);
        Assert.Equal(WireBytes.SoftQuit(CloseReason.CertificateRefused), told); // and nothing else: no INIT, no names of packets
        await scene.AssertNothingElseHappenedAsync();
    }

    /// <summary>A server has no way to leave its certificate out: a client offers no suite without one, and waits for it before it goes on.</summary>
    [Theory]
    [InlineData(false, UnexpectedMessage, Side.Client)]
    [InlineData(true, IllegalParameter, Side.Client)]
    public async Task T04_a_server_without_a_certificate_is_refused_with_an_alert(bool isAnonymous, int alert, Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(HelloBytes.OfServerWithoutCertificate(isAnonymous), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await AssertAnswersWithAnAlertAsync(scene, raw, alert);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T08_bytes_in_plain_text_before_TLS_are_an_error(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        byte[] hello = side == Side.Server ? HelloBytes.OfClient(0x0303) : HelloBytes.OfServer(0x0303);
        await raw.SendAsync((byte[])[.. WireBytes.Init, .. hello], TestContext.Current.CancellationToken);
        Assert.Equal(CloseReason.TlsRequired, (await scene.EndedAsync()).Reason);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T08_bytes_in_plain_text_right_behind_a_hello_are_an_error(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        Task shaking = scene.ShakeHandsAsync(raw, stream => new MeddledStream(stream, MeddledStream.WithBytesBehindTheFirst(WireBytes.Init)), [PacketMq]);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await Assert.ThrowsAnyAsync<Exception>(() => shaking);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [InlineData(false, Side.Server)]
    [InlineData(false, Side.Client)]
    [InlineData(true, Side.Server)]
    [InlineData(true, Side.Client)]
    public async Task T11_a_handshake_byte_by_byte_works(bool inRecords, Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using SslStream ssl = await scene.ShakeHandsAsync(
            raw, stream => new MeddledStream(stream, inRecords ? MeddledStream.OneByteARecord : MeddledStream.OneByteAWrite), [PacketMq]);
        byte[] first = new byte[WireBytes.Init.Length];
        await ssl.ReadExactlyAsync(first, TestContext.Current.CancellationToken).AsTask().Soon();
        Assert.Equal(WireBytes.Init, first);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T11_a_hello_of_256_KiB_is_refused(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await TlsScene.TrySendAsync(raw, HelloBytes.Long(side, 256 * 1024)); // nobody waits for its end
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T11_a_hello_of_64_KiB_is_refused(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await TlsScene.TrySendAsync(raw, HelloBytes.Whole(side, 64 * 1024));
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
    }

    /// <summary>What a side says that refuses: an alert, behind the hello with which a client has begun, and nothing else.</summary>
    private static async Task AssertAnswersWithAnAlertAsync(TlsScene scene, Socket raw, params int[] alerts)
    {
        byte[] answer = await TlsScene.ReadToEndAsync(raw);
        int start = 0;
        if (scene.Side == Side.Client)
        {
            Assert.Equal(0x16, answer[0]);
            start = 5 + ((answer[3] << 8) | answer[4]);
        }

        Assert.Equal((0x15, 7), (answer[start], answer.Length - start));
        Assert.Contains(answer[start + 6], alerts.Select(alert => (byte)alert));
    }
}
