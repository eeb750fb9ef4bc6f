using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Tool;

/// <summary>A root, a server's certificate for this machine and a client's, valid for a year.</summary>
internal static class DevelopmentCertificates
{
    private static readonly Oid ServerUsage = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientUsage = new("1.3.6.1.5.5.7.3.2");

    /// <summary>Makes them, as files that nobody has written yet.</summary>
    public static IReadOnlyList<PemFile> Create(DateTimeOffset now)
    {
        DateTimeOffset from = now.AddHours(-1); // clocks differ
        DateTimeOffset to = now.AddYears(1);
        using ECDsa rootKey = NewKey();
        var rootRequest = new CertificateRequest("CN=PacketMQ development root", rootKey, HashAlgorithmName.SHA256);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: true, 0, critical: true));
        rootRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
        rootRequest.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(rootRequest.PublicKey, critical: false));
        using X509Certificate2 root = rootRequest.CreateSelfSigned(from, to);

        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        (string server, string serverKey) = Issue("CN=localhost", ServerUsage, names.Build());
        (string client, string clientKey) = Issue("CN=PacketMQ development client", ClientUsage);
        return
        [
            new("root.pem", "the root, for --ca and --client-ca", root.ExportCertificatePem(), IsSecret: false),
            new("root.key", "its private key, which only makes more certificates", rootKey.ExportPkcs8PrivateKeyPem(), IsSecret: true),
            new("server.pem", "the server's certificate, for --tls-cert", server, IsSecret: false),
            new("server.key", "its private key, for --tls-key", serverKey, IsSecret: true),
            new("client.pem", "the client's certificate, for --cert", client, IsSecret: false),
            new("client.key", "its private key, for --key", clientKey, IsSecret: true),
        ];

        (string Certificate, string Key) Issue(string subject, Oid usage, params X509Extension[] extensions)
        {
            using ECDsa key = NewKey();
            var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
            request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([usage], critical: false));
            foreach (X509Extension extension in extensions)
                request.CertificateExtensions.Add(extension);
            byte[] serial = RandomNumberGenerator.GetBytes(16);
            serial[0] &= 0x7f; // a positive number
            using X509Certificate2 certificate = request.Create(root, from, to, serial);
            return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
        }
    }

    private static ECDsa NewKey() => ECDsa.Create(ECCurve.NamedCurves.nistP256);

    /// <summary>A file and what it is for.</summary>
    public sealed record PemFile(string Name, string What, string Text, bool IsSecret);
}
