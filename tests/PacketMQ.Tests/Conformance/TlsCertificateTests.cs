using System.Net;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>Group T of the catalogue of bad input: certificates that are refused, in both directions, and what each side is told.</summary>
public sealed class TlsCertificateTests
{
    private const string AClient = "a client";

    private static readonly TestRoot Other = new("Another root");

    public static TheoryData<string, string> BadCertificates { get; } = new()
    {
        { "expired", "is expired since" },
        { "not yet valid", "is not yet valid, only from" },
        { "wrong usage", "is for another usage" },
        { "self-signed", "is self-signed and not trusted here" },
        { "other root", "leads to no root that is trusted here" },
        { "wrong name", "'CN=example.org'" },
    };

    public static TheoryData<string, string, Side> BadCertificatesOfBothSides { get; } =
        [.. from row in BadCertificates from side in (Side[])[Side.Server, Side.Client] select (row.Data.Item1, row.Data.Item2, side)];

    /// <summary>The side is the one that refuses: the certificate is the other's.</summary>
    [Theory]
    [MemberData(nameof(BadCertificatesOfBothSides))]
    public async Task T05_a_bad_certificate_is_refused_and_both_sides_learn_why(string fault, string words, Side side)
    {
        var bad = new TlsCertificate(Bad(fault, isServer: side == Side.Client));
        await using TlsMeeting meeting = side == Side.Server
            ? new(ServersThatKnow(AClient), TestTls.ForClients with { Certificate = bad })
            : new(TestTls.ForServers with { Certificate = bad }, TestTls.ForClients);
        Connection bystander = await meeting.AddBystanderAsync(ofServer: side == Side.Server);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        (CloseInfo refusing, CloseInfo refused) = side == Side.Server ? (server, client) : (client, server);
        AssertRefused(refusing, CloseInitiator.Local, words);
        AssertRefused(refused, CloseInitiator.Remote, "refused this side's certificate");
        await AssertIsUntouchedAsync(meeting, bystander);
    }

    [Theory]
    [InlineData(Side.Client)]
    public async Task T05_a_server_whose_certificate_is_for_other_names_is_told_which(Side side)
    {
        Assert.Equal(Side.Client, side); // a server asks for no name: its own callback does
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with { Certificate = new TlsCertificate(TestTls.Root.IssueServer("example.org", "192.0.2.1")) }, TestTls.ForClients);
        (CloseInfo client, _) = await meeting.RefusedAsync();
        AssertRefused(client, CloseInitiator.Local, "it is not for 'localhost' but for example.org, 192.0.2.1");
    }

    [Theory]
    [InlineData(Side.Server)]
    public async Task T04_a_missing_client_certificate_is_refused_when_one_is_required(Side side)
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, TestTls.ForClients with { Certificate = null });
        Connection bystander = await meeting.AddBystanderAsync(ofServer: side == Side.Server);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(server, CloseInitiator.Local, "presented no certificate");
        AssertRefused(client, CloseInitiator.Remote, "certificate");
        await AssertIsUntouchedAsync(meeting, bystander);
    }

    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task T06_a_certificate_that_names_a_revocation_list_is_refused_if_nobody_answers_there(Side side)
    {
        bool isServers = side == Side.Client;
        var named = new TlsCertificate(TestTls.Root.Issue(
            new TestRoot.Kind(isServers) { RevocationList = "http://127.0.0.1:9/list.crl" }, isServers ? TestTls.HostName : AClient));
        TlsOptions servers = isServers ? TestTls.ForServers with { Certificate = named } : TestTls.ForServers;
        TlsOptions clients = isServers ? TestTls.ForClients : TestTls.ForClients with { Certificate = named };
        await using var meeting = new TlsMeeting(servers, clients);
        Connection bystander = await meeting.AddBystanderAsync(ofServer: side == Side.Server);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(side == Side.Server ? server : client, CloseInitiator.Local, "may be revoked");
        await AssertIsUntouchedAsync(meeting, bystander);

        await using var careless = new TlsMeeting(
            servers with { RevocationMode = X509RevocationMode.NoCheck }, clients with { RevocationMode = X509RevocationMode.NoCheck });
        await careless.ConnectAsync();
    }

    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task T06_a_revoked_certificate_is_refused(Side side)
    {
        bool isServers = side == Side.Client;
        using var publisher = new HttpListener();
        string address = $"http://127.0.0.1:{FreePort()}/";
        publisher.Prefixes.Add(address);
        publisher.Start();
        var root = new TestRoot("A root with a list");
        var kind = new TestRoot.Kind(isServers) { RevocationList = address + Path.GetRandomFileName() };
        string name = isServers ? TestTls.HostName : AClient;
        X509Certificate2 revoked = root.Issue(kind, name);
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
        TlsOptions servers = TestTls.ForServers with { TrustedRoots = root.Roots, Certificate = new TlsCertificate(root.IssueServer(TestTls.HostName)) };
        TlsOptions clients = TestTls.ForClients with { TrustedRoots = root.Roots, Certificate = new TlsCertificate(root.IssueClient(AClient)) };
        await using (TlsMeeting meeting = Meet(revoked))
        {
            Connection bystander = await meeting.AddBystanderAsync(ofServer: !isServers, isServers ? servers : clients);
            (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
            AssertRefused(isServers ? client : server, CloseInitiator.Local, "is revoked");
            AssertRefused(isServers ? server : client, CloseInitiator.Remote, "certificate");
            await AssertIsUntouchedAsync(meeting, bystander);
        }

        await using (TlsMeeting meeting = Meet(root.Issue(kind, name)))
            await meeting.ConnectAsync();
        publisher.Stop();
        await Assert.ThrowsAnyAsync<Exception>(() => publishing.Soon());

        TlsMeeting Meet(X509Certificate2 certificate) => isServers
            ? new(servers with { Certificate = new TlsCertificate(certificate) }, clients)
            : new(servers, clients with { Certificate = new TlsCertificate(certificate) });
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

    /// <summary>A server has no name to expect of its clients; its application may know some.</summary>
    private static TlsOptions ServersThatKnow(string client) => TestTls.ForServers with
    {
        ValidateCertificate = certificate => certificate.Subject == $"CN={client}",
    };

    private static X509Certificate2 Bad(string fault, bool isServer)
    {
        var kind = new TestRoot.Kind(isServer);
        string name = isServer ? TestTls.HostName : AClient;
        return fault switch
        {
            "expired" => TestTls.Root.Issue(kind with { Time = -1 }, name),
            "not yet valid" => TestTls.Root.Issue(kind with { Time = 1 }, name),
            "wrong usage" => TestTls.Root.Issue(new TestRoot.Kind(!isServer), name),
            "wrong name" => TestTls.Root.Issue(kind, "example.org"),
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
