using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>What still arrives once the end is decided is read and forgotten, but not without end: the time is bounded, and a stranger's bytes are too.</summary>
public sealed class DrainTests
{
    private const int LawfulHandshake = 4_096 + 99_999;
    private const int UnderWay = 20 * 1_024 * 1_024;

    private readonly FakeLogCollector _log = new();
    private readonly byte[] _piece = new byte[10_000];

    private PeerOptions Patient => new() { CloseTimeout = TimeSpan.FromHours(1), LoggerFactory = new Journal(_log) };

    [Theory]
    [InlineData(Transport.Memory)]
    [InlineData(Transport.Pipe)]
    public async Task Who_was_refused_can_make_us_read_a_handshake_and_no_more(Transport transport)
    {
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Patient);
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync(PeerBytes.Finish);
        long taken = await FloodAsync(raw, 1_000_000);

        Assert.InRange(taken, LawfulHandshake, LawfulHandshake + (3 * 65_536)); // what lies in the pipe, and the last read
        Assert.Equal(CloseReason.UnexpectedPacket, (await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo.Reason);
        await Bounded.UntilAsync(() => _log.GetSnapshot().Any(line => line.Id.Id == 114));
    }

    [Fact]
    public async Task Who_was_refused_and_sends_on_is_cut_over_tcp_and_can_still_read_why()
    {
        await using var pair = new PeerPair(Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Patient);
        var endPoint = (IPEndPoint)((Server)pair.Server).Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var stranger = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await stranger.ConnectAsync(endPoint);
        await stranger.SendAsync(PeerBytes.Finish);
        byte[] softQuit = RawEnd.SoftQuit(CloseReason.UnexpectedPacket);
        byte[] answer = new byte[PeerBytes.Init.Length + softQuit.Length];
        for (int read = 0; read < answer.Length;)
            read += await stranger.ReceiveAsync(answer.AsMemory(read)).Soon();
        Assert.Equal([.. PeerBytes.Init, .. softQuit], answer);

        await AssertCutAsync(stranger);
        Assert.Equal(CloseReason.UnexpectedPacket, (await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo.Reason);
    }

    [Fact]
    public async Task Who_begins_TLS_with_nonsense_and_sends_on_is_cut()
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, TestTls.ForClients, Patient);
        using var stranger = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await stranger.ConnectAsync(meeting.EndPoint);
        await stranger.SendAsync(Convert.FromHexString("1603010005ffffffffff"));

        await AssertCutAsync(stranger);
        CloseInfo refused = await meeting.NextRefusedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (refused.Reason, refused.Initiator));
        Assert.Equal("The other side did not begin TLS with a hello that can be read.", refused.Description);
    }

    [Fact]
    public async Task Who_has_no_certificate_and_sends_on_is_cut()
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, TestTls.ForClients, Patient);
        using var stranger = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await stranger.ConnectAsync(meeting.EndPoint);
        await using var ssl = new SslStream(new NetworkStream(stranger), leaveInnerStreamOpen: false, (_, _, _, _) => true);
        await ssl.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions { TargetHost = TestTls.HostName, ApplicationProtocols = [new("packetmq/1")] }).Soon();

        // Bytes that are no TLS, and come before the handshake is judged, would be another reason.
        CloseInfo refused = await meeting.NextRefusedAsync();
        Assert.Equal((CloseReason.CertificateRefused, CloseInitiator.Local), (refused.Reason, refused.Initiator));
        await AssertCutAsync(stranger);
    }

    [Theory, AllTransports]
    public async Task What_a_lawful_peer_had_under_way_when_it_was_told_to_go_is_no_reason_to_cut_it(Transport transport)
    {
        await using var pair = new PeerPair(
            transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Patient with { MaxFrameBytes = 64 });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        Task quitting = connection.SoftQuitAsync("reason.kicked");

        Assert.Equal(UnderWay, await FloodAsync(raw, UnderWay));
        Assert.Equal("reason.kicked", (await raw.ReadSoftQuitAsync())?.Name); // and the end of the stream, not a reset
        await raw.EndAsync();
        await quitting.Soon();
        Assert.DoesNotContain(_log.GetSnapshot(), line => line.Id.Id == 114);
    }

    // Whatever it sends is refused after a while, long before its time is up; far more than all buffers of the system on the way.
    private async Task AssertCutAsync(Socket stranger)
    {
        SocketException cut = await Assert.ThrowsAsync<SocketException>(async () =>
        {
            for (int sent = 0; sent < 64_000_000; sent += _piece.Length)
                await stranger.SendAsync(_piece).Soon();
        });
        Assert.True(cut.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown, $"{cut.SocketErrorCode}");
        await Bounded.UntilAsync(() => _log.GetSnapshot().Any(line => line.Id.Id == 114 && line.Message.Contains($" {LawfulHandshake} bytes ", StringComparison.Ordinal)));
    }

    // How many bytes went, at most so many.
    private async Task<long> FloodAsync(RawEnd raw, long most)
    {
        long written = 0;
        try
        {
            while (written < most)
            {
                int length = (int)Math.Min(_piece.Length, most - written);
                await raw.WriteAsync(_piece[..length]);
                written += length;
            }
        }
        catch (IOException)
        {
            // It was cut.
        }

        return written;
    }
}
