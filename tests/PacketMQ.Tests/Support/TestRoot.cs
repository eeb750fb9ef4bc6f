using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Tests.Support;

/// <summary>A root of its own that issues certificates, good and bad ones, for as long as a test runs.</summary>
internal sealed class TestRoot
{
    public static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private static readonly Oid ServerUsage = new("1.3.6.1.5.5.7.3.1");
    private static readonly Oid ClientUsage = new("1.3.6.1.5.5.7.3.2");

    private readonly X509Certificate2 _certificate;

    public TestRoot(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _certificate = Request(name, key).CreateSelfSigned(Now.AddDays(-10), Now.AddDays(10));
    }

    private TestRoot(X509Certificate2 certificate) => _certificate = certificate;

    /// <summary>What to trust, in order to trust this root.</summary>
    public X509Certificate2Collection Roots => [X509CertificateLoader.LoadCertificate(_certificate.RawData)];

    /// <summary>An authority between this root and what it issues itself: an intermediate certificate.</summary>
    public TestRoot IssueAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 signed = Request(name, key).Create(_certificate, Now.AddDays(-9), Now.AddDays(9), [1, .. RandomNumberGenerator.GetBytes(7)]);
        return new TestRoot(signed.CopyWithPrivateKey(key));
    }

    public X509Certificate2 IssueServer(params string[] names) => Issue(Kind.Server, names);

    public X509Certificate2 IssueClient(string name) => Issue(Kind.Client, name);

    public X509Certificate2 Issue(Kind kind, params string[] names)
        => Sign(kind, names, (request, serial) =>
        {
            (DateTimeOffset from, DateTimeOffset to) = kind.Time switch
            {
                < 0 => (Now.AddDays(-5), Now.AddDays(-1)),
                > 0 => (Now.AddDays(1), Now.AddDays(5)),
                _ => (Now.AddDays(-1), kind.End ?? Now.AddDays(5)),
            };
            return request.Create(_certificate, from, to, serial);
        });

    public static X509Certificate2 IssueSelfSigned(Kind kind, params string[] names)
        => Sign(kind, names, (request, _) => request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(5)));

    /// <summary>Signs a revocation list that names one certificate.</summary>
    public byte[] Revoke(X509Certificate2 certificate)
    {
        var builder = new CertificateRevocationListBuilder();
        builder.AddEntry(certificate, Now.AddHours(-1));
        return builder.Build(_certificate, 1, Now.AddDays(1), HashAlgorithmName.SHA256);
    }

    private static X509Certificate2 Sign(Kind kind, string[] names, Func<CertificateRequest, byte[], X509Certificate2> create)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={names[0]}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([kind.IsServer ? ServerUsage : ClientUsage], false));
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (string name in names)
        {
            if (IPAddress.TryParse(name, out IPAddress? address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        }

        request.CertificateExtensions.Add(alternatives.Build());
        if (kind.RevocationList is { } uri)
            request.CertificateExtensions.Add(CertificateRevocationListBuilder.BuildCrlDistributionPointExtension([uri]));
        byte[] number = new byte[8];
        RandomNumberGenerator.Fill(number);
        number[0] &= 0x7f;
        X509Certificate2 signed = create(request, number);
        return signed.HasPrivateKey ? signed : signed.CopyWithPrivateKey(key);
    }

    private static CertificateRequest Request(string name, ECDsa key)
    {
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return request;
    }

    /// <summary>What a certificate is for, and what is wrong with it.</summary>
    public sealed record Kind(bool IsServer)
    {
        public static Kind Server { get; } = new(true);

        public static Kind Client { get; } = new(false);

        /// <summary>Below 0: expired; above: not yet valid.</summary>
        public int Time { get; init; }

        /// <summary>When it expires; null: in some days.</summary>
        public DateTimeOffset? End { get; init; }

        /// <summary>Where its revocation list is.</summary>
        public string? RevocationList { get; init; }
    }
}
