using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PeerBench.Peers;

/// <summary>The server makes a certificate for its port and leaves the public part where the client process finds it.</summary>
internal static class BenchCertificate
{
    public const string HostName = "peerbench.example";

    public static X509Certificate2 Create(int port)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={HostName}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(HostName);
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(PathFor(port), certificate.ExportCertificatePem());
        return certificate;
    }

    public static X509Certificate2 ReadPublicPart(int port)
    {
        var certificate = X509CertificateLoader.LoadCertificateFromFile(PathFor(port));
        return certificate;
    }

    private static string PathFor(int port) => Path.Combine(Path.GetTempPath(), $"peerbench-{port}.pem");
}
