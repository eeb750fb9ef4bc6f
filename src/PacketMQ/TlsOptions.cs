using System.Security.Cryptography.X509Certificates;

namespace PacketMQ;

/// <summary>
/// Encrypts all socket connections of a peer with TLS, from the first byte; version 1.2 or 1.3, as the system allows. Given as
/// <see cref="PeerOptions.Tls"/> and checked when the peer is made. There is no way to skip the check of a certificate: to accept an own or a
/// self-signed one, put it into <see cref="TrustedRoots"/>.
/// </summary>
/// <remarks>
/// Callbacks are called in the middle of the handshake, for several connections at once, on the threads that handshakes compute on
/// (<see cref="MaxConcurrentHandshakes"/>), or on pool threads in want of them: they must return soon. One that throws refuses the connection.
/// </remarks>
public sealed record TlsOptions
{
    /// <summary>
    /// The own certificate. A server needs it (or <see cref="CertificateSelector"/>); a client presents it to a server that asks for one.
    /// To use another one while the peer runs: <see cref="TlsCertificate.Replace"/>.
    /// </summary>
    public TlsCertificate? Certificate { get; init; }

    /// <summary>
    /// On a server: chooses the certificate by the name that a client asks for (SNI; empty if it names none).
    /// <see langword="null"/> as its answer refuses the client. Takes the place of <see cref="Certificate"/>.
    /// </summary>
    public Func<string, TlsCertificate?>? CertificateSelector { get; init; }

    /// <summary>
    /// On a server: a client without a valid certificate for client authentication is refused. Needs <see cref="TrustedRoots"/>, because
    /// the system's roots vouch for everybody. Default <see langword="false"/>: clients are not asked for a certificate.
    /// </summary>
    public bool RequireClientCertificate { get; init; }

    /// <summary>
    /// The only roots to which the other side's certificate may lead; <see langword="null"/> (default): the system's.
    /// A self-signed certificate in here is trusted itself. Copied when the peer is made.
    /// </summary>
    public X509Certificate2Collection? TrustedRoots { get; init; }

    /// <summary>
    /// On a client: the name that the server's certificate must be for, instead of the host that is connected to. Needed for Unix domain
    /// sockets, which have none.
    /// </summary>
    public string? TargetHost { get; init; }

    /// <summary>
    /// Called for each connection with the other side's certificate when it has passed all other checks, to pin it for instance.
    /// <see langword="false"/> refuses it; nothing makes a certificate good that was refused before.
    /// </summary>
    public Func<X509Certificate2, bool>? ValidateCertificate { get; init; }

    /// <summary>
    /// Whether it is looked up that the other side's certificate was not revoked. Default <see cref="X509RevocationMode.Online"/>: one that
    /// names a CRL or an OCSP responder is refused if it is revoked, or if that can't be found out within 5 s; one that names neither, as
    /// private roots' often do, can't be checked and passes.
    /// </summary>
    public X509RevocationMode RevocationMode { get; init; } = X509RevocationMode.Online;

    /// <summary>How long the TLS handshake may take, within <see cref="PeerOptions.HandshakeTimeout"/>. Default 10 s; looked at once a second.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many of a peer's TLS handshakes may compute at the same time; the others wait their turn, and one that waits for the network
    /// takes no place. Each computes on a thread of its own, which calls the callbacks of these options and waits for look-ups of revocation too,
    /// and which ends when there is nothing to do. Default: half of the processors, but at least 1;
    /// the other half is left to the connections that are made.
    /// </summary>
    public int MaxConcurrentHandshakes { get; init; } = Math.Max(1, Environment.ProcessorCount / 2);

    internal void Validate()
    {
        PeerOptions.CheckTime(HandshakeTimeout, "Tls." + nameof(HandshakeTimeout));
        PeerOptions.CheckRange(MaxConcurrentHandshakes, 1, int.MaxValue, "Tls." + nameof(MaxConcurrentHandshakes));
        PeerOptions.CheckDefined(RevocationMode, "Tls." + nameof(RevocationMode));
        if (TrustedRoots is { Count: 0 })
            throw Wrong(nameof(TrustedRoots), "is empty: no certificate could ever be valid; null stands for the system's roots");
        if (TargetHost is { Length: 0 })
            throw Wrong(nameof(TargetHost), "is empty");
    }

    internal void ValidateForServer()
    {
        if (Certificate is null && CertificateSelector is null)
            throw Wrong(nameof(Certificate), $"is missing: a server needs one, or a {nameof(CertificateSelector)}");
        if (Certificate is not null && CertificateSelector is not null)
            throw Wrong(nameof(CertificateSelector), $"is set, and {nameof(Certificate)} too: it could never be used");
        if (TargetHost is not null)
            throw Wrong(nameof(TargetHost), "is for clients; a server's names are in its certificate");
        if (RequireClientCertificate && TrustedRoots is null)
            throw Wrong(nameof(RequireClientCertificate), $"needs {nameof(TrustedRoots)}: the system's roots vouch for everybody");
        if (!RequireClientCertificate && (TrustedRoots is not null || ValidateCertificate is not null))
        {
            throw Wrong(
                TrustedRoots is not null ? nameof(TrustedRoots) : nameof(ValidateCertificate),
                $"is set, but a server looks at clients' certificates only if {nameof(RequireClientCertificate)}");
        }
    }

    internal void ValidateForClient()
    {
        if (CertificateSelector is not null)
            throw Wrong(nameof(CertificateSelector), "is for servers");
        if (RequireClientCertificate)
            throw Wrong(nameof(RequireClientCertificate), "is for servers; a client checks its server's certificate in any case");
    }

    private static ArgumentException Wrong(string option, string what) => new($"Tls.{option} {what}.", option);
}
