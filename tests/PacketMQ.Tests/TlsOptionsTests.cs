using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class TlsOptionsTests
{
    private static readonly TlsOptions Server = TestTls.ForServers;
    private static readonly TlsOptions Client = TestTls.ForClients;

    public static TheoryData<string, TlsOptions> WrongForServers { get; } = new()
    {
        { "Certificate", Server with { Certificate = null } },
        { "CertificateSelector", Server with { CertificateSelector = _ => null } },
        { "TargetHost", Server with { TargetHost = "localhost" } },
        { "RequireClientCertificate", Server with { TrustedRoots = null } },
        { "TrustedRoots", Server with { RequireClientCertificate = false } },
        { "TrustedRoots", Server with { TrustedRoots = [] } },
        { "ValidateCertificate", Server with { RequireClientCertificate = false, TrustedRoots = null, ValidateCertificate = _ => true } },
        { "HandshakeTimeout", Server with { HandshakeTimeout = TimeSpan.Zero } },
        { "HandshakeTimeout", Server with { HandshakeTimeout = TimeSpan.FromDays(25) } },
        { "MaxConcurrentHandshakes", Server with { MaxConcurrentHandshakes = 0 } },
        { "RevocationMode", Server with { RevocationMode = (X509RevocationMode)7 } },
    };

    public static TheoryData<string, TlsOptions> WrongForClients { get; } = new()
    {
        { "RequireClientCertificate", Client with { RequireClientCertificate = true } },
        { "CertificateSelector", Client with { CertificateSelector = _ => null } },
        { "TargetHost", Client with { TargetHost = "" } },
        { "TrustedRoots", Client with { TrustedRoots = [] } },
    };

    [Theory]
    [MemberData(nameof(WrongForServers), DisableDiscoveryEnumeration = true)]
    public void What_makes_no_sense_for_a_server_is_refused_when_it_is_made(string option, TlsOptions tls)
    {
        var exception = Assert.ThrowsAny<ArgumentException>(() => new Server(new PacketRegistry(), new PeerOptions { Tls = tls }));
        Assert.Contains("Tls." + option, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(WrongForClients), DisableDiscoveryEnumeration = true)]
    public void What_makes_no_sense_for_a_client_is_refused_when_it_is_made(string option, TlsOptions tls)
    {
        var exception = Assert.ThrowsAny<ArgumentException>(() => new Client(new PacketRegistry(), new PeerOptions { Tls = tls }));
        Assert.Contains("Tls." + option, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Memory_peers_have_no_TLS()
    {
        Assert.Throws<ArgumentException>(() => new MemoryServer(new PacketRegistry(), new PeerOptions { Tls = Server }));
        Assert.Throws<ArgumentException>(() => new MemoryClient(new PacketRegistry(), new PeerOptions { Tls = Client }));
    }

    [Fact]
    public async Task A_Unix_socket_needs_a_name_to_prove()
    {
        await using var client = new Client(new PacketRegistry(true), new PeerOptions { Tls = Client with { TargetHost = null } });
        await Assert.ThrowsAsync<InvalidOperationException>(() => client.ConnectAsync(new UnixDomainSocketEndPoint("/tmp/none")));
    }

    [Fact]
    public void A_certificate_without_its_key_is_refused()
    {
        X509Certificate2 half = X509CertificateLoader.LoadCertificate(Server.Certificate!.Certificate.RawData);
        Assert.Throws<ArgumentException>(() => new TlsCertificate(half));
        var whole = new TlsCertificate(Server.Certificate.Certificate);
        Assert.Throws<ArgumentException>(() => whole.Replace(half));
        Assert.Same(Server.Certificate.Certificate, whole.Certificate);
    }

    [Fact]
    public void A_certificate_is_read_and_replaced_from_PEM_and_a_bad_file_changes_nothing()
    {
        string directory = Directory.CreateTempSubdirectory("packetmq").FullName;
        try
        {
            string file = Path.Combine(directory, "server.pem");
            string key = Path.Combine(directory, "server.key");
            X509Certificate2 issued = TestTls.Root.IssueServer("first");
            File.WriteAllText(file, issued.ExportCertificatePem());
            File.WriteAllText(key, issued.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
            TlsCertificate certificate = TlsCertificate.FromPemFiles(file, key);
            Assert.Equal(issued.Thumbprint, certificate.Certificate.Thumbprint);

            X509Certificate2 next = TestTls.Root.IssueServer("second");
            File.WriteAllText(file, next.ExportCertificatePem());
            File.WriteAllText(key, next.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
            certificate.ReplaceFromPemFiles(file, key);
            Assert.Equal(next.Thumbprint, certificate.Certificate.Thumbprint);

            File.WriteAllText(key, "nothing");
            Assert.ThrowsAny<Exception>(() => certificate.ReplaceFromPemFiles(file, key));
            Assert.Equal(next.Thumbprint, certificate.Certificate.Thumbprint);
            Assert.ThrowsAny<IOException>(() => TlsCertificate.FromPemFiles(file, Path.Combine(directory, "gone")));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_intermediates_of_a_PEM_file_are_presented_and_without_them_the_chain_ends(bool presents)
    {
        TestRoot authority = TestTls.Root.IssueAuthority("An authority between");
        X509Certificate2 issued = authority.IssueServer(TestTls.HostName);
        string directory = Directory.CreateTempSubdirectory("packetmq").FullName;
        try
        {
            string file = Path.Combine(directory, "server.pem");
            string key = Path.Combine(directory, "server.key");
            await File.WriteAllTextAsync(
                file, issued.ExportCertificatePem() + "\n" + (presents ? authority.Roots[0].ExportCertificatePem() : ""), TestContext.Current.CancellationToken);
            await File.WriteAllTextAsync(key, issued.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(), TestContext.Current.CancellationToken);
            await using var meeting = new TlsMeeting(TestTls.ForServers with { Certificate = TlsCertificate.FromPemFiles(file, key) }, TestTls.ForClients);
            if (presents)
                await meeting.ConnectAsync();
            else
                Assert.Contains("leads to no root", (await meeting.RefusedAsync()).Client.Description);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
