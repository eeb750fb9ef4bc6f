using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Soak;

/// <summary>A self-signed certificate (P-256) for a server that encrypts; its clients' processes learn of it by their environment.</summary>
internal sealed class SoakCertificate
{
    public const string Variable = "PACKETMQ_SOAK_ROOT";

    private readonly TlsCertificate _certificate;

    public SoakCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=PacketMQ soak", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(130));
        Root = Convert.ToBase64String(certificate.RawData);
        _certificate = new TlsCertificate(certificate);
    }

    /// <summary>What its clients trust.</summary>
    public string Root { get; }

    /// <param name="onChosen">Called in each handshake, where its computing begins.</param>
    public TlsOptions ForServer(Action onChosen) => new()
    {
        CertificateSelector = _ =>
        {
            onChosen();
            return _certificate;
        },
    };

    /// <summary>What the clients of this process use, if its parent said that they encrypt.</summary>
    public static TlsOptions? ForChild() => Environment.GetEnvironmentVariable(Variable) is { } root
        ? new TlsOptions { TrustedRoots = [X509CertificateLoader.LoadCertificate(Convert.FromBase64String(root))] }
        : null;
}
