using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Transports;

/// <summary>Judges a peer's certificate by what the platform found, and says in one sentence what is wrong with it.</summary>
internal static class CertificateCheck
{
    private const X509ChainStatusFlags NotChecked = X509ChainStatusFlags.RevocationStatusUnknown | X509ChainStatusFlags.OfflineRevocation;

    /// <summary>What is wrong; null: nothing.</summary>
    public static string? FindFault(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors, string? expectedName)
    {
        try
        {
            return Find(certificate, chain, errors, expectedName);
        }
        catch (CryptographicException exception)
        {
            // An extension is read only when it is asked for, and anything may be written in it.
            return $"The certificate of the other side was refused: it is malformed ({PrintableText.Escape(exception.Message)}).";
        }
    }

    public static string Describe(X509Certificate2 certificate) => $"The certificate '{PrintableText.Escape(certificate.Subject, 128)}' of the other side";

    private static string? Find(X509Certificate2? certificate, X509Chain? chain, SslPolicyErrors errors, string? expectedName)
    {
        if (certificate is null || errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable))
            return "The other side presented no certificate.";
        string who = Describe(certificate);
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) || chain is null)
        {
            X509ChainStatusFlags flags = chain is null ? X509ChainStatusFlags.PartialChain : Flags(chain);
            if (flags != X509ChainStatusFlags.NoError)
                return $"{who} was refused: it {Explain(flags, certificate, chain)}.";
        }

        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
            return $"{who} was refused: it has the wrong name, it is not for '{PrintableText.Escape(expectedName)}' but for {Names(certificate)}.";
        return null;
    }

    // A certificate that says nowhere whether it was revoked can't be checked, and is not held against its owner.
    private static X509ChainStatusFlags Flags(X509Chain chain)
    {
        X509ChainStatusFlags flags = X509ChainStatusFlags.NoError;
        X509ChainStatusFlags inElements = X509ChainStatusFlags.NoError;
        foreach (X509ChainElement element in chain.ChainElements)
        {
            X509ChainStatusFlags own = All(element.ChainElementStatus);
            inElements |= own;
            flags |= SaysWhereRevocationIsKnown(element.Certificate) ? own : own & ~NotChecked;
        }

        // What concerns the chain as a whole, such as a missing issuer.
        return flags | (All(chain.ChainStatus) & ~inElements & ~NotChecked);
    }

    private static X509ChainStatusFlags All(X509ChainStatus[] statuses)
        => statuses.Aggregate(X509ChainStatusFlags.NoError, (flags, status) => flags | status.Status);

    private static bool SaysWhereRevocationIsKnown(X509Certificate2 certificate)
        => certificate.Extensions.Any(extension => extension.Oid?.Value == "2.5.29.31"
            || (extension is X509AuthorityInformationAccessExtension access && access.EnumerateOcspUris().Any()));

    private static string Explain(X509ChainStatusFlags flags, X509Certificate2 certificate, X509Chain? chain)
    {
        if (flags.HasFlag(X509ChainStatusFlags.Revoked))
            return "is revoked";
        if (flags.HasFlag(X509ChainStatusFlags.NotTimeValid))
            return ExplainTime(certificate, chain);
        if ((flags & (X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain | X509ChainStatusFlags.ExplicitDistrust)) != 0)
        {
            return certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData)
                ? "is self-signed and not trusted here"
                : $"was issued by '{PrintableText.Escape(certificate.Issuer, 128)}', which leads to no root that is trusted here";
        }

        if (flags.HasFlag(X509ChainStatusFlags.NotValidForUsage))
            return "is for another usage";
        if ((flags & NotChecked) != 0)
            return "may be revoked: what it names to find out could not be reached";
        return $"is not valid ({flags})";
    }

    private static string ExplainTime(X509Certificate2 certificate, X509Chain? chain)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow(); // the clock that the platform has judged by
        foreach (X509Certificate2 link in chain?.ChainElements.Select(element => element.Certificate) ?? [certificate])
        {
            string whose = link.Thumbprint == certificate.Thumbprint ? "" : $", by its issuer '{PrintableText.Escape(link.Subject, 128)}'";
            if (link.NotAfter.ToUniversalTime() < now)
                return $"is expired since {link.NotAfter.ToUniversalTime():yyyy-MM-dd HH:mm:ss}Z{whose}";
            if (link.NotBefore.ToUniversalTime() > now)
                return $"is not yet valid, only from {link.NotBefore.ToUniversalTime():yyyy-MM-dd HH:mm:ss}Z{whose}";
        }

        return "is expired or not yet valid";
    }

    private static string Names(X509Certificate2 certificate)
    {
        string[] names =
        [
            .. certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>()
                .SelectMany(extension => extension.EnumerateDnsNames().Concat(extension.EnumerateIPAddresses().Select(address => address.ToString()))),
        ];
        return names.Length == 0 ? "no host" : PrintableText.Escape(string.Join(", ", names), 256);
    }
}
