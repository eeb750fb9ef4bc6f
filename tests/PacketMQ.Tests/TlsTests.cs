using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>Two peers over TLS: what they agree on, and what each side is told when one refuses the other.</summary>
public sealed class TlsTests
{
    [Fact]
    public async Task A_connection_tells_its_version_and_whom_it_has_proved()
    {
        await using var pair = new PeerPair(Transport.Tls, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();
        Assert.True(client.IsEncrypted);
        Assert.True(server.IsEncrypted);
        TlsDetails atClient = client.Tls!;
        TlsDetails atServer = server.Tls!;
        Assert.True(atClient.Protocol is SslProtocols.Tls12 or SslProtocols.Tls13);
        Assert.Equal((atClient.Protocol, atClient.CipherSuite), (atServer.Protocol, atServer.CipherSuite));
        Assert.Equal("CN=localhost", atClient.PeerCertificate?.Subject);
        Assert.Equal("CN=a client", atServer.PeerCertificate?.Subject);
        Assert.Equal((TestTls.HostName, TestTls.HostName), (atClient.HostName, atServer.HostName));
    }

    [Fact]
    public async Task A_connection_in_plain_text_says_so()
    {
        await using var pair = new PeerPair(Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();
        Assert.False(client.IsEncrypted);
        Assert.Null(client.Tls);
        Assert.False(server.IsEncrypted);
        Assert.Null(server.Tls);
    }

    [Fact]
    public async Task A_server_that_asks_for_no_certificate_gets_none()
    {
        await using var meeting = new TlsMeeting(
            new TlsOptions { Certificate = TestTls.ForServers.Certificate }, TestTls.ForClients);
        (Connection client, Connection server) = await meeting.ConnectAsync();
        Assert.NotNull(client.Tls?.PeerCertificate);
        Assert.True(server.IsEncrypted);
        Assert.Null(server.Tls!.PeerCertificate);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_callback_can_refuse_what_was_good_and_nothing_else(bool atServer)
    {
        int calls = 0;
        bool Refuse(X509Certificate2 certificate)
        {
            calls++;
            return false;
        }

        await using var meeting = new TlsMeeting(
            atServer ? TestTls.ForServers with { ValidateCertificate = Refuse } : TestTls.ForServers,
            atServer ? TestTls.ForClients : TestTls.ForClients with { ValidateCertificate = Refuse });
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        AssertRefused(atServer ? server : client, CloseInitiator.Local, "ValidateCertificate");
        AssertRefused(atServer ? client : server, CloseInitiator.Remote, "certificate");
        Assert.Equal(1, calls);

        await using var other = new TlsMeeting(
            TestTls.ForServers with { Certificate = new TlsCertificate(new TestRoot("Another root").IssueServer(TestTls.HostName)) },
            TestTls.ForClients with { ValidateCertificate = Accept });
        Assert.Equal(CloseReason.CertificateRefused, (await other.RefusedAsync()).Client.Reason);
        Assert.Equal(1, calls); // a certificate that is bad already is not shown to it

        bool Accept(X509Certificate2 certificate)
        {
            calls++;
            return true;
        }
    }

    [Fact]
    public async Task A_callback_that_throws_refuses_the_connection()
    {
        var failure = new InvalidTimeZoneException("thrown on purpose");
        await using var meeting = new TlsMeeting(TestTls.ForServers with { ValidateCertificate = _ => throw failure }, TestTls.ForClients);
        (_, CloseInfo server) = await meeting.RefusedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (server.Reason, server.Initiator));
        Assert.Same(failure, server.Exception?.InnerException);
    }

    [Fact]
    public async Task A_self_signed_certificate_among_the_roots_is_trusted()
    {
        X509Certificate2 own = TestRoot.IssueSelfSigned(TestRoot.Kind.Server, TestTls.HostName);
        await using var meeting = new TlsMeeting(
            new TlsOptions { Certificate = new TlsCertificate(own) },
            new TlsOptions { TrustedRoots = [X509CertificateLoader.LoadCertificate(own.RawData)], TargetHost = TestTls.HostName });
        (Connection client, _) = await meeting.ConnectAsync();
        Assert.Equal(own.Thumbprint, client.Tls?.PeerCertificate?.Thumbprint);
    }

    [Fact]
    public async Task The_systems_roots_do_not_vouch_for_an_own_root()
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, new TlsOptions { TargetHost = TestTls.HostName, Certificate = TestTls.ForClients.Certificate });
        (CloseInfo client, _) = await meeting.RefusedAsync();
        AssertRefused(client, CloseInitiator.Local, "leads to no root that is trusted here");
    }

    [Fact]
    public async Task An_address_is_proved_like_a_name()
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, TestTls.ForClients with { TargetHost = null });
        (Connection client, _) = await meeting.ConnectAsync();
        Assert.Equal("127.0.0.1", client.Tls?.HostName);
    }

    [Fact]
    public async Task The_certificate_is_chosen_by_the_name_that_the_client_asks_for()
    {
        var certificates = new[] { "a.example", "b.example" }.ToDictionary(name => name, name => new TlsCertificate(TestTls.Root.IssueServer(name)));
        TlsOptions server = TestTls.ForServers with { Certificate = null, CertificateSelector = certificates.GetValueOrDefault };
        foreach (string name in certificates.Keys)
        {
            await using var meeting = new TlsMeeting(server, TestTls.ForClients with { TargetHost = name });
            (Connection client, Connection atServer) = await meeting.ConnectAsync();
            Assert.Equal($"CN={name}", client.Tls?.PeerCertificate?.Subject);
            Assert.Equal(name, atServer.Tls?.HostName);
        }

        await using var stranger = new TlsMeeting(server, TestTls.ForClients with { TargetHost = "c.example" });
        (CloseInfo refused, CloseInfo refusing) = await stranger.RefusedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (refusing.Reason, refusing.Initiator));
        Assert.Contains("no certificate for the name 'c.example'", refusing.Description, StringComparison.Ordinal);
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Remote), (refused.Reason, refused.Initiator));
    }

    [Fact]
    public async Task A_new_certificate_is_for_new_connections_and_changes_nothing_for_the_others()
    {
        X509Certificate2 first = TestTls.Root.IssueServer(TestTls.HostName);
        X509Certificate2 second = TestTls.Root.IssueServer(TestTls.HostName);
        var certificate = new TlsCertificate(first);
        await using var meeting = new TlsMeeting(TestTls.ForServers with { Certificate = certificate }, TestTls.ForClients);
        (Connection old, _) = await meeting.ConnectAsync();
        using var stopping = new CancellationTokenSource();
        Task traffic = Task.Run(async () =>
        {
            while (!stopping.IsCancellationRequested)
                await meeting.ExchangeAsync(old);
        });

        certificate.Replace(second);
        for (int i = 0; i < 5; i++)
        {
            (Connection connection, _) = await meeting.ConnectAsync();
            Assert.Equal(second.Thumbprint, connection.Tls?.PeerCertificate?.Thumbprint);
            await meeting.ExchangeAsync(connection);
        }

        await stopping.CancelAsync();
        await traffic.Soon();
        await meeting.ExchangeAsync(old);
        Assert.Equal(ConnectionState.Active, old.State);
        Assert.Equal(first.Thumbprint, old.Tls?.PeerCertificate?.Thumbprint);
    }

    [Fact]
    public async Task A_certificate_that_expires_ends_no_connection_and_lets_no_new_one_in()
    {
        DateTimeOffset end = TimeProvider.System.GetUtcNow().AddSeconds(6);
        var kind = new TestRoot.Kind(IsServer: true) { End = end };
        var server = TestTls.ForServers with { Certificate = new TlsCertificate(TestTls.Root.Issue(kind, TestTls.HostName)) };
        await using var meeting = new TlsMeeting(server, TestTls.ForClients);
        (Connection client, _) = await meeting.ConnectAsync();
        await meeting.ExchangeAsync(client);
        await Task.Delay(end.AddSeconds(1) - TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken); // TLS judges by the system's clock

        (CloseInfo refused, CloseInfo told) = await meeting.RefusedAsync();
        AssertRefused(refused, CloseInitiator.Local, "is expired since");
        Assert.Equal((CloseReason.CertificateRefused, CloseInitiator.Remote), (told.Reason, told.Initiator));
        await meeting.ExchangeAsync(client);
    }

    [Fact]
    public async Task A_client_in_plain_text_is_told_nothing_and_named()
    {
        await using var meeting = new TlsMeeting(TestTls.ForServers, null);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        Assert.Equal((CloseReason.TlsRequired, CloseInitiator.Local), (server.Reason, server.Initiator));
        Assert.Contains("looks like PacketMQ in plain text", server.Description, StringComparison.Ordinal);
        Assert.Equal(CloseReason.ConnectionReset, client.Reason);
    }

    [Fact]
    public async Task A_server_in_plain_text_is_refused_by_a_client_with_TLS()
    {
        await using var meeting = new TlsMeeting(null, TestTls.ForClients);
        (CloseInfo client, CloseInfo server) = await meeting.RefusedAsync();
        Assert.Equal((CloseReason.FrameTooLarge, CloseInitiator.Local), (server.Reason, server.Initiator));
        Assert.Contains("looks like TLS", server.Description, StringComparison.Ordinal);
        if (client.Reason == CloseReason.TlsRequired)
            Assert.Contains("looks like PacketMQ in plain text", client.Description, StringComparison.Ordinal);
        else
            Assert.Equal(CloseReason.ConnectionReset, client.Reason);
    }

    private static void AssertRefused(CloseInfo info, CloseInitiator initiator, string words)
    {
        Assert.Contains(words, info.Description, StringComparison.Ordinal);
        Assert.Equal((CloseReason.CertificateRefused, initiator), (info.Reason, info.Initiator));
    }
}
