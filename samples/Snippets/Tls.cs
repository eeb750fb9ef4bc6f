using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Samples.Snippets;

internal static class Tls
{
    public static async Task RunAsync()
    {
        string before = Environment.CurrentDirectory;
        Environment.CurrentDirectory = Directory.CreateTempSubdirectory("packetmq").FullName;
        MakeCertificates();
        var registry = new PacketRegistry();
        registry.AddPacket("myapplication:mypacket", Packet.Create((_, _) => { }), 17);
        var clientRegistry = new PacketRegistry(adaptPacketIds: true);
        clientRegistry.AddPacket("myapplication:mypacket", Packet.Create((_, _) => { }), 17);

        // <tls-server>
        var serverTls = new TlsOptions { Certificate = TlsCertificate.FromPemFiles("server.pem", "server.key") };
        await using var server = new Server(registry, new PeerOptions { Tls = serverTls });
        IPEndPoint endPoint = server.Listen(0);
        // </tls-server>

        // <tls-client>
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile("root.pem");
        await using var client = new Client(clientRegistry, new PeerOptions { Tls = new TlsOptions { TrustedRoots = roots } });
        Connection connection = await client.ConnectAsync("localhost", endPoint.Port);
        Console.WriteLine(connection.Tls!.Protocol); // Tls13
        // </tls-client>
        Check.That(connection.IsEncrypted);

        // <tls-mutual>
        var mutualTls = new TlsOptions
        {
            Certificate = TlsCertificate.FromPemFiles("server.pem", "server.key"),
            RequireClientCertificate = true,
            TrustedRoots = roots, // only clients that these vouch for
        };
        // </tls-mutual>
        await using var mutual = new Server(registry, new PeerOptions { Tls = mutualTls });

        // <tls-replace>
        TlsCertificate certificate = serverTls.Certificate!;
        certificate.ReplaceFromPemFiles("server.pem", "server.key"); // new connections get this one; the others stay as they are
        // </tls-replace>
        Environment.CurrentDirectory = before;
    }

    private static void MakeCertificates()
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var rootRequest = new CertificateRequest("CN=My root", rootKey, HashAlgorithmName.SHA256);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 root = rootRequest.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        File.WriteAllText("root.pem", root.ExportCertificatePem());

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.Create(root, now.AddDays(-1), now.AddDays(1), [1]);
        File.WriteAllText("server.pem", certificate.ExportCertificatePem());
        File.WriteAllText("server.key", key.ExportPkcs8PrivateKeyPem());
    }
}
