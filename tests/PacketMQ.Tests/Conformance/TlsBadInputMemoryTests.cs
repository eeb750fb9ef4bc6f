using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// How much memory group T of the catalogue takes: what is declared in a TLS record or in a hello must never decide it. Measured on the
/// whole process, like <see cref="BadInputMemoryTests"/>, the bare sockets of the attacker included.
/// </summary>
[Collection(nameof(AloneInTheProcess))]
public sealed class TlsBadInputMemoryTests
{
    private const int Rounds = 10;

    /// <summary>What the exceptions of an SslStream, their traces and texts may cost.</summary>
    private const long AllocationsOfARefusal = 64 * 1024;

    /// <summary>The smallest buffers of an SslStream and of a connection, and those of the round before that are on their way back.</summary>
    private const long SmallestBuffers = 64 * 1024;

    private const long KiB = 1024;

    private readonly PoolWatch _pool = new();

    /// <summary>The rows, with the bound of the catalogue.</summary>
    public static TheoryData<string, long> Rows { get; } = new()
    {
        { "T01", 8 * KiB },
        { "T02", 8 * KiB },
        { "T03", 8 * KiB },
        { "T08", 8 * KiB },
        { "T11 nonsense", 64 * KiB },
        { "T11 a long hello", 64 * KiB },
    };

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task What_comes_instead_of_TLS_takes_no_more_memory_than_written(string row, long bound)
    {
        byte[] bytes = BytesOf(row);
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
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
    [InlineData("T04")]
    [InlineData("T05")]
    public async Task A_certificate_that_is_refused_takes_little_more_memory_than_a_good_one(string row)
    {
        TlsOptions bad = TestTls.ForClients with
        {
            Certificate = row == "T04" ? null : new TlsCertificate(TestTls.Root.Issue(TestRoot.Kind.Client with { Time = -1 }, "a client")),
        };
        await using var lawful = new TlsMeeting(TestTls.ForServers, TestTls.ForClients);
        await using var refused = new TlsMeeting(TestTls.ForServers, bad);
        await AssertBoundAsync(refused.RefusedAsync, () => VisitAsync(lawful));
    }

    [Fact]
    public async Task T06_a_certificate_that_may_be_revoked_takes_little_more_memory_than_a_good_one()
    {
        TestRoot.Kind kind = TestRoot.Kind.Client with { RevocationList = "http://127.0.0.1:9/list.crl" }; // nobody answers there
        TlsOptions client = TestTls.ForClients with { Certificate = new TlsCertificate(TestTls.Root.Issue(kind, "a client")) };
        await using var careless = new TlsMeeting(TestTls.ForServers with { RevocationMode = X509RevocationMode.NoCheck }, client);
        await using var refused = new TlsMeeting(TestTls.ForServers, client);
        await AssertBoundAsync(refused.RefusedAsync, () => VisitAsync(careless));
    }

    [Fact]
    public async Task T07_a_renegotiation_takes_little_more_memory_than_a_handshake()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("The other side of it is only tried on Linux.");

        await using TlsScene scene = await TlsScene.BeginAsync(Side.Client);
        await AssertBoundAsync(() => MeetAsync(renegotiates: true), () => MeetAsync(renegotiates: false));

        async Task MeetAsync(bool renegotiates)
        {
            using Socket raw = await scene.OpenAsync();
            await using var ssl = new SslStream(new NetworkStream(raw));
            await ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = TestTls.ForServers.Certificate!.Context,
                EnabledSslProtocols = SslProtocols.Tls12,
                AllowRenegotiation = true,
            }).Soon();
            await ssl.ReadExactlyAsync(new byte[WireBytes.Init.Length]).AsTask().Soon();
            if (renegotiates && OperatingSystem.IsLinux())
                _ = ssl.NegotiateClientCertificateAsync().ContinueWith(static ended => ended.Exception, TaskScheduler.Default);
            if (!renegotiates)
            {
                await ssl.ShutdownAsync();
                raw.Shutdown(SocketShutdown.Send);
            }

            CloseInfo end = await scene.EndedAsync();
            Assert.Equal(renegotiates ? CloseReason.TlsFailed : CloseReason.Disconnected, end.Reason);
        }
    }

    [Fact]
    public async Task T09_another_protocol_takes_little_more_memory_than_ours()
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
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

    /// <summary>T10 and T12 name no bound, so there is none to check; no other case is left out.</summary>
    [Fact]
    public void Every_case_about_TLS_that_names_a_bound_is_measured()
    {
        string[] unbounded = ["T10", "T12"];
        string[] certificates = ["T04", "T05"];
        string[] own = [.. typeof(TlsBadInputMemoryTests).GetMethods().Select(method => method.Name[..3]).Where(BadInputCase.All.ContainsKey)];
        Assert.All(unbounded, id => Assert.Equal("—", BadInputCase.All[id].Memory));
        Assert.Equal(
            BadInputCase.All.Keys.Where(id => id[0] == 'T'),
            Rows.Select(row => row.Data.Item1[..3]).Concat(unbounded).Concat(certificates).Concat(own).Distinct().Order(StringComparer.Ordinal));
    }

    private static async Task VisitAsync(TlsMeeting meeting)
    {
        (Connection client, Connection server) = await meeting.ConnectAsync();
        await client.SoftQuitAsync().Soon();
        await server.Closed.Soon();
    }

    private static byte[] BytesOf(string row)
    {
        if (row == "T11 a long hello")
        {
            // It declares a message of 16 MiB, in records of 16 KiB, as many as a server takes before it gives up.
            byte[] record = [0x16, 0x03, 0x01, 0x40, 0x00, .. new byte[16_384]];
            byte[] hello = [.. Enumerable.Repeat(record, 64).SelectMany(one => one)];
            (hello[5], hello[6]) = (0x01, 0xff);
            return hello;
        }

        return row switch
        {
            "T01" => [0x16, 0x03, 0x01],
            "T02" => WireBytes.Init,
            "T08" => [.. WireBytes.Init, .. TlsBadInputTests.ClientHello(0x0303)],
            "T03" => TlsBadInputTests.ClientHello(0x0301),
            _ => WireBytes.Hex("1603010005ffffffffff"),
        };
    }

    // The bound of the catalogue for what goes on like a lawful handshake, beyond what that takes.
    private async Task AssertBoundAsync(Func<Task> attack, Func<Task> lawful)
    {
        (long usual, long usuallyPooled) = await MeasureLeastAsync(lawful);
        await AssertBoundAsync(attack, usual + (8 * KiB) + AllocationsOfARefusal, usuallyPooled + (8 * KiB));
    }

    private async Task AssertBoundAsync(Func<Task> attack, long mostAllocated, long mostPooled)
    {
        (long allocated, long pooled) = await MeasureLeastAsync(attack, mostAllocated, mostPooled);
        Assert.InRange(allocated, 1, mostAllocated);
        Assert.InRange(pooled, 1, mostPooled);
    }

    // The least of several: what the runtime and the test runner do meanwhile only adds, and what the input costs is always in it.
    private async Task<(long Allocated, long Pooled)> MeasureLeastAsync(Func<Task> act, long enough = 0, long enoughPooled = 0)
    {
        (long Allocated, long Pooled) least = (long.MaxValue, long.MaxValue);
        await MeasureAsync(act); // warms up
        for (int i = 0; i < 6 && (least.Allocated > enough || least.Pooled > enoughPooled); i++)
        {
            (long allocated, long pooled) = await MeasureAsync(act);
            least = (Math.Min(least.Allocated, allocated), Math.Min(least.Pooled, pooled));
        }

        return least;
    }

    private async Task<(long Allocated, long Pooled)> MeasureAsync(Func<Task> act)
    {
        _pool.Reset();
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < Rounds; i++)
            await act();
        return ((GC.GetTotalAllocatedBytes(precise: true) - before) / Rounds, _pool.Most);
    }
}
