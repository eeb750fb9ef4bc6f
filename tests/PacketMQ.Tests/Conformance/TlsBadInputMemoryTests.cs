using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// How much memory group T of the catalogue takes, at a server and at a client: what is declared in a TLS record or in a hello must never
/// decide it. The bound of the catalogue for what goes on like a lawful handshake is beyond what such a one takes.
/// </summary>
[Collection(nameof(AloneInTheProcess))]
public sealed class TlsBadInputMemoryTests : IDisposable
{
    /// <summary>What the exceptions of an SslStream, their traces and texts may cost.</summary>
    private const long AllocationsOfARefusal = 64 * 1024;

    /// <summary>The smallest buffers of an SslStream and of a connection, and those of the round before that are on their way back.</summary>
    private const long SmallestBuffers = 64 * 1024;

    private const long KiB = 1024;

    private readonly MemoryMeasure _measure = new();

    /// <summary>What comes instead of TLS, with the bound of the catalogue.</summary>
    public static TheoryData<string, long, Side> Rows { get; } =
    [
        .. from side in (Side[])[Side.Server, Side.Client]
           from row in ((string, long)[])[("T01", 8), ("T02", 8), ("T03", 8), ("T08", 8), ("T11 nonsense", 64), ("T11 a long hello", 64)]
           select (row.Item1, row.Item2 * KiB, side),
        ("T04", 8 * KiB, Side.Client),
        ("T04 in an anonymous suite", 8 * KiB, Side.Client),
    ];

    public static TheoryData<Side> BothSides { get; } = [Side.Server, Side.Client];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task What_comes_instead_of_TLS_takes_no_more_memory_than_written(string row, long bound, Side side)
    {
        byte[] bytes = BytesOf(row, side);
        await using TlsScene scene = await TlsScene.BeginAsync(side);
        await AssertBoundAsync(AttackAsync, bound + AllocationsOfARefusal, bound + SmallestBuffers);
        await scene.AssertNothingElseHappenedAsync();

        async Task AttackAsync()
        {
            using Socket raw = await scene.OpenAsync();
            await TlsScene.TrySendAsync(raw, bytes);
            if (row == "T01")
                raw.Shutdown(SocketShutdown.Send); // the time-out's turn has its own test
            await scene.EndedAsync();
        }
    }

    [Theory]
    [InlineData("T04", Side.Server)]
    [InlineData("T05", Side.Server)]
    [InlineData("T05", Side.Client)]
    public async Task A_certificate_that_is_refused_takes_little_more_memory_than_a_good_one(string row, Side side)
    {
        var expired = new TlsCertificate(TestTls.Root.Issue(new TestRoot.Kind(side == Side.Client) { Time = -1 }, TestTls.HostName));
        await using var lawful = new TlsMeeting(TestTls.ForServers, TestTls.ForClients);
        await using TlsMeeting refused = side == Side.Server
            ? new(TestTls.ForServers, TestTls.ForClients with { Certificate = row == "T04" ? null : expired })
            : new(TestTls.ForServers with { Certificate = expired }, TestTls.ForClients);
        await AssertBoundAsync(refused.RefusedAsync, () => VisitAsync(lawful));
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T06_a_certificate_that_may_be_revoked_takes_little_more_memory_than_a_good_one(Side side)
    {
        var kind = new TestRoot.Kind(side == Side.Client) { RevocationList = "http://127.0.0.1:9/list.crl" }; // nobody answers there
        var named = new TlsCertificate(TestTls.Root.Issue(kind, TestTls.HostName));
        TlsOptions servers = side == Side.Client ? TestTls.ForServers with { Certificate = named } : TestTls.ForServers;
        TlsOptions clients = side == Side.Client ? TestTls.ForClients : TestTls.ForClients with { Certificate = named };
        await using var careless = new TlsMeeting(
            servers with { RevocationMode = X509RevocationMode.NoCheck }, clients with { RevocationMode = X509RevocationMode.NoCheck });
        await using var refused = new TlsMeeting(servers, clients);
        await AssertBoundAsync(refused.RefusedAsync, () => VisitAsync(careless));
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T07_a_renegotiation_takes_little_more_memory_than_a_handshake(Side side)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("The other side of it is only tried on Linux.");

        await using TlsScene scene = await TlsScene.BeginAsync(side);
        await AssertBoundAsync(() => MeetAsync(renegotiates: true), () => MeetAsync(renegotiates: false));

        async Task MeetAsync(bool renegotiates)
        {
            if (side == Side.Server)
            {
                await scene.MeetServerAsync(renegotiates);
                return;
            }

            using Socket raw = await scene.OpenAsync();
            using SslStream ssl = await scene.ShakeHandsAsync(raw, stream => stream, [], SslProtocols.Tls12);
            await ssl.ReadExactlyAsync(new byte[WireBytes.Init.Length]).AsTask().Soon();
            if (renegotiates && OperatingSystem.IsLinux())
                _ = ssl.NegotiateClientCertificateAsync().ContinueWith(static ended => ended.Exception, TaskScheduler.Default);
            if (!renegotiates)
                raw.Shutdown(SocketShutdown.Send);

            CloseInfo end = await scene.EndedAsync();
            Assert.Equal(renegotiates ? CloseReason.TlsFailed : CloseReason.TruncatedStream, end.Reason);
        }
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task T09_another_protocol_takes_little_more_memory_than_ours(Side side)
    {
        await using TlsScene scene = await TlsScene.BeginAsync(side);
        await AssertBoundAsync(
            async () =>
            {
                using Socket raw = await scene.OpenAsync();
                await Assert.ThrowsAnyAsync<AuthenticationException>(() => scene.ShakeHandsAsync(raw, SslApplicationProtocol.Http11));
                await scene.EndedAsync();
            },
            async () =>
            {
                using Socket raw = await scene.OpenAsync();
                using SslStream ssl = await scene.ShakeHandsAsync(raw);
                raw.Shutdown(SocketShutdown.Send);
                await scene.EndedAsync();
            });
    }

    public void Dispose() => _measure.Dispose();

    private static async Task VisitAsync(TlsMeeting meeting)
    {
        (Connection client, Connection server) = await meeting.ConnectAsync();
        await client.SoftQuitAsync().Soon();
        await server.Closed.Soon();
    }

    private static byte[] BytesOf(string row, Side side) => row switch
    {
        "T01" => [0x16, 0x03, 0x01],
        "T02" => WireBytes.Init,
        "T03" => Hello(0x0301, side),
        "T04" => HelloBytes.OfServerWithoutCertificate(isAnonymous: false),
        "T04 in an anonymous suite" => HelloBytes.OfServerWithoutCertificate(isAnonymous: true),
        "T08" => [.. WireBytes.Init, .. Hello(0x0303, side)],
        "T11 a long hello" => HelloBytes.Long(side, 1024 * 1024), // as much as a side takes before it gives up, and more
        _ => WireBytes.Hex("1603010005ffffffffff"),
    };

    private static byte[] Hello(int version, Side side) => side == Side.Server ? HelloBytes.OfClient(version) : HelloBytes.OfServer(version);

    private async Task AssertBoundAsync(Func<Task> attack, Func<Task> lawful)
    {
        (long usual, long usuallyPooled) = await _measure.MeasureLeastAsync(lawful);
        await AssertBoundAsync(attack, usual + (8 * KiB) + AllocationsOfARefusal, usuallyPooled + (8 * KiB));
    }

    private async Task AssertBoundAsync(Func<Task> attack, long mostAllocated, long mostPooled)
    {
        (long allocated, long pooled) = await _measure.MeasureLeastAsync(attack, mostAllocated, mostPooled);
        Assert.InRange(allocated, 1, mostAllocated);
        Assert.InRange(pooled, 1, mostPooled);
    }
}
