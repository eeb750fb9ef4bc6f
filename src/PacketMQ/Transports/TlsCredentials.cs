using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Transports;

/// <summary>What all TLS connections of one peer have in common: its options, and the threads for handshakes.</summary>
internal sealed class TlsCredentials(TlsOptions options)
{
    private static readonly TimeSpan RevocationTimeout = TimeSpan.FromSeconds(5);

    // A copy: whoever changes the collection later changes nothing here.
    private readonly X509Certificate2Collection? _roots = options.TrustedRoots is { } roots ? [.. roots] : null;

    public TlsThreads Threads { get; } = new(options.MaxConcurrentHandshakes);

    public bool RequiresClientCertificate => options.RequireClientCertificate;

    /// <summary>The certificate to present. Null: none.</summary>
    /// <param name="serverName">The name that a client asks a server for; null on a client.</param>
    public TlsCertificate? CertificateFor(string? serverName)
        => serverName is not null && options.CertificateSelector is { } select ? select(serverName) : options.Certificate;

    public bool Accepts(X509Certificate2 certificate) => options.ValidateCertificate?.Invoke(certificate) ?? true;

    /// <summary>
    /// How a certificate's chain is built. Issuers are not fetched from where a stranger's certificate points to: a peer sends them along.
    /// </summary>
    public X509ChainPolicy CreateChainPolicy(Oid usage)
    {
        var policy = new X509ChainPolicy
        {
            DisableCertificateDownloads = true,
            RevocationMode = options.RevocationMode,
            RevocationFlag = X509RevocationFlag.ExcludeRoot,
            UrlRetrievalTimeout = RevocationTimeout,
        };
        policy.ApplicationPolicy.Add(usage);
        if (_roots is not null)
        {
            policy.TrustMode = X509ChainTrustMode.CustomRootTrust;
            policy.CustomTrustStore.AddRange(_roots);
        }

        return policy;
    }
}
