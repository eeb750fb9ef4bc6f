using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>What strangers write into a certificate is judged, whatever it is; handshakes with good and bad ones are in TlsCertificateTests.</summary>
public sealed class CertificateCheckTests
{
    [Theory]
    [InlineData("1.3.6.1.5.5.7.1.1", SslPolicyErrors.RemoteCertificateChainErrors)] // where to ask whether it was revoked
    [InlineData("2.5.29.17", SslPolicyErrors.RemoteCertificateNameMismatch)] // other names
    public void An_extension_that_can_not_be_read_is_the_certificates_fault(string extension, SslPolicyErrors errors)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=a stranger", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509Extension(extension, [0x30, 0x06, 0x87, 0x04, 1], critical: false));
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(130));
        using var chain = new X509Chain();
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.Build(certificate);

        string? fault = CertificateCheck.FindFault(certificate, chain, errors, "a.example");
        Assert.StartsWith("The certificate of the other side was refused: it is malformed (", fault);
    }
}
