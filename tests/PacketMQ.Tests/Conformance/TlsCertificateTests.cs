using System.Net;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>Group T of the catalogue of bad input: certificates that are refused, in both directions, and what each side is told.</summary>
public sealed class TlsCertificateTests
{
    private static readonly TestRoot Other = new("Another root");

    public static TheoryData<string, string> BadCertificates { get; } = new()
    {
        { "expired", "is expired since" },
        { "not yet valid", "is not yet valid, only from" },
        { "wrong usage", "is for another usage" },
        { "self-signed", "is self-signed and not trusted here" },
        { "other root", "leads to no root that is trusted here" },
    };

    [Theory]
    [MemberData(nameof(BadCertificates))]
    public async Task T05_a_servers_bad_certificate_is_refused_and_both_sides_learn_why(string fault, string words)
    {
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with { Certificate = new TlsCertificate(Bad(fault, isServer: true, TestTls.HostName)) }, TestTls.ForClients);
        Connection bystander = await meeting.AddBystanderAsync(ofServer: false);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(client, CloseInitiator.Local, words);
        AssertRefused(server, CloseInitiator.Remote, "refused this side's certificate");
        await AssertIsUntouchedAsync(meeting, bystander);
    }

    [Theory]
    [MemberData(nameof(BadCertificates))]
    public async Task T05_a_clients_bad_certificate_is_refused_and_both_sides_learn_why(string fault, string words)
    {
        await using var meeting = new TlsMeeting(
            TestTls.ForServers, TestTls.ForClients with { Certificate = new TlsCertificate(Bad(fault, isServer: false, "a client")) });
        Connection bystander = await meeting.AddBystanderAsync(ofServer: true);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(server, CloseInitiator.Local, words);
        AssertRefused(client, CloseInitiator.Remote, "refused this side's certificate");
        await AssertIsUntouchedAsync(meeting, bystander);
    }

    [Fact]
    public async Task T05_a_certificate_for_another_name_is_refused()
    {
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with { Certificate = new TlsCertificate(TestTls.Root.IssueServer("example.org", "192.0.2.1")) }, TestTls.ForClients);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(client, CloseInitiator.Local, "it is not for 'localhost' but for example.org, 192.0.2.1");
        AssertRefused(server, CloseInitiator.Remote, "refused this side's certificate");
    }

    [Fact]
    public async Task T04_a_missing_client_certificate_is_refused_when_one_is_required()
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, TestTls.ForClients with { Certificate = null });
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(server, CloseInitiator.Local, "presented no certificate");
        AssertRefused(client, CloseInitiator.Remote, "certificate");
    }

    [Fact]
    public async Task T06_a_certificate_that_names_a_revocation_list_is_refused_if_nobody_answers_there()
    {
        TestRoot.Kind kind = TestRoot.Kind.Client with { RevocationList = "http://127.0.0.1:9/list.crl" };
        TlsOptions client = TestTls.ForClients with { Certificate = new TlsCertificate(TestTls.Root.Issue(kind, "a client")) };
        await using var meeting = new TlsMeeting(TestTls.ForServers, client);
        Connection bystander = await meeting.AddBystanderAsync(ofServer: true);
        (_, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(server, CloseInitiator.Local, "may be revoked");
        await AssertIsUntouchedAsync(meeting, bystander);

        await using var careless = new TlsMeeting(TestTls.ForServers with { RevocationMode = X509RevocationMode.NoCheck }, client);
        await careless.ConnectAsync();
    }

    [Fact]
    public async Task T06_a_revoked_certificate_is_refused()
    {
        using var publisher = new HttpListener();
        string address = $"http://127.0.0.1:{FreePort()}/";
        publisher.Prefixes.Add(address);
        publisher.Start();
        var root = new TestRoot("A root with a list");
        TestRoot.Kind kind = TestRoot.Kind.Client with { RevocationList = address + Path.GetRandomFileName() };
        X509Certificate2 revoked = root.Issue(kind, "a client that was");
        byte[] list = root.Revoke(revoked);
        Task publishing = Task.Run(async () =>
        {
            while (publisher.IsListening)
            {
                HttpListenerContext request = await publisher.GetContextAsync();
                await request.Response.OutputStream.WriteAsync(list);
                request.Response.Close();
            }
        });
        TlsOptions server = TestTls.ForServers with { TrustedRoots = root.Roots };
        await using (var meeting = new TlsMeeting(server, TestTls.ForClients with { Certificate = new TlsCertificate(revoked) }))
        {
            Connection bystander = await meeting.AddBystanderAsync(
                ofServer: true, TestTls.ForClients with { Certificate = new TlsCertificate(root.IssueClient("a bystander")) });
            (CloseInfo client, CloseInfo refusing) = await meeting.RefusedAsync();
            AssertRefused(refusing, CloseInitiator.Local, "is revoked");
            AssertRefused(client, CloseInitiator.Remote, "certificate");
            await AssertIsUntouchedAsync(meeting, bystander);
        }

        await using (var meeting = new TlsMeeting(server, TestTls.ForClients with { Certificate = new TlsCertificate(root.Issue(kind, "a client")) }))
            await meeting.ConnectAsync();
        publisher.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => publishing.Soon());
    }

    private static void AssertRefused(CloseInfo info, CloseInitiator initiator, string words)
    {
        Assert.Contains(words, info.Description, StringComparison.Ordinal);
        Assert.Equal((CloseReason.CertificateRefused, initiator), (info.Reason, info.Initiator));
    }

    private static async Task AssertIsUntouchedAsync(TlsMeeting meeting, Connection bystander)
    {
        await meeting.ExchangeAsync(bystander);
        Assert.Equal(ConnectionState.Active, bystander.State);
    }

    private static X509Certificate2 Bad(string fault, bool isServer, string name)
    {
        var kind = new TestRoot.Kind(isServer);
        return fault switch
        {
            "expired" => TestTls.Root.Issue(kind with { Time = -1 }, name),
            "not yet valid" => TestTls.Root.Issue(kind with { Time = 1 }, name),
            "wrong usage" => TestTls.Root.Issue(new TestRoot.Kind(!isServer), name),
            "self-signed" => TestRoot.IssueSelfSigned(kind, name),
            _ => Other.Issue(kind, name),
        };
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
