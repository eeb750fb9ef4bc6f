using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ;

/// <summary>
/// A certificate with its private key, and the intermediate ones between it and its root, which the other side gets along with it. May be
/// shared by several peers, and replaced while they run.
/// </summary>
/// <remarks>All members may be called from any thread.</remarks>
public sealed class TlsCertificate
{
    private Loaded _loaded;

    /// <summary>Takes a certificate.</summary>
    /// <param name="certificate">The certificate, with its private key. It must not be disposed while it is in use.</param>
    /// <param name="intermediates">The certificates between it and its root. Others in there do no harm.</param>
    /// <exception cref="ArgumentException">The certificate has no private key.</exception>
    public TlsCertificate(X509Certificate2 certificate, X509Certificate2Collection? intermediates = null)
        => _loaded = Load(certificate, intermediates);

    /// <summary>The certificate that new connections present.</summary>
    public X509Certificate2 Certificate => Volatile.Read(ref _loaded).Certificate;

    internal SslStreamCertificateContext Context => Volatile.Read(ref _loaded).Context;

    /// <summary>Reads a certificate from PEM files.</summary>
    /// <param name="certificateFile">The certificate, and behind it the intermediate ones.</param>
    /// <param name="keyFile">Its private key, not encrypted.</param>
    /// <exception cref="IOException">A file can't be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">A file does not hold what it should.</exception>
    public static TlsCertificate FromPemFiles(string certificateFile, string keyFile)
    {
        (X509Certificate2 certificate, X509Certificate2Collection intermediates) = ReadPemFiles(certificateFile, keyFile);
        return new TlsCertificate(certificate, intermediates);
    }

    /// <summary>Presents another certificate on all connections that are made from now on. Those that exist stay as they are.</summary>
    /// <inheritdoc cref="TlsCertificate(X509Certificate2, X509Certificate2Collection)"/>
    public void Replace(X509Certificate2 certificate, X509Certificate2Collection? intermediates = null)
        => Volatile.Write(ref _loaded, Load(certificate, intermediates));

    /// <summary>Reads another certificate from PEM files and presents it on all connections that are made from now on. When it throws, the old one stays.</summary>
    /// <inheritdoc cref="FromPemFiles"/>
    public void ReplaceFromPemFiles(string certificateFile, string keyFile)
    {
        (X509Certificate2 certificate, X509Certificate2Collection intermediates) = ReadPemFiles(certificateFile, keyFile);
        Replace(certificate, intermediates);
    }

    private static Loaded Load(X509Certificate2 certificate, X509Certificate2Collection? intermediates)
    {
        ArgumentNullException.ThrowIfNull(certificate);
        if (!certificate.HasPrivateKey)
            throw new ArgumentException($"The certificate '{certificate.Subject}' has no private key; without it, it can't be presented.", nameof(certificate));
        return new Loaded(certificate, SslStreamCertificateContext.Create(certificate, intermediates, offline: true));
    }

    private static (X509Certificate2 Certificate, X509Certificate2Collection Intermediates) ReadPemFiles(string certificateFile, string keyFile)
    {
        ArgumentException.ThrowIfNullOrEmpty(certificateFile);
        ArgumentException.ThrowIfNullOrEmpty(keyFile);
        X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(certificateFile, keyFile);
        if (OperatingSystem.IsWindows())
        {
            // Windows' TLS takes no key that lives in memory only.
            using X509Certificate2 inMemory = certificate;
            certificate = X509CertificateLoader.LoadPkcs12(inMemory.Export(X509ContentType.Pkcs12), password: null);
        }

        var all = new X509Certificate2Collection();
        all.ImportFromPemFile(certificateFile);
        return (certificate, [.. all.Skip(1)]);
    }

    private sealed record Loaded(X509Certificate2 Certificate, SslStreamCertificateContext Context);
}
