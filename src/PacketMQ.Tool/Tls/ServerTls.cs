using System.CommandLine;

namespace PacketMQ.Tool;

/// <summary>The options that make <c>serve</c> speak TLS.</summary>
internal sealed class ServerTls
{
    public Option<string?> Certificate { get; } = new("--tls-cert")
    {
        Description = "Speaks TLS with this certificate (PEM; intermediate ones behind it). Needs --tls-key.",
        HelpName = "FILE",
    };

    public Option<string?> Key { get; } = new("--tls-key")
    {
        Description = "The private key of --tls-cert (PEM).",
        HelpName = "FILE",
    };

    public Option<string?> ClientRoots { get; } = new("--client-ca")
    {
        Description = "Requires a certificate of every client, issued by one of these roots (PEM). Needs --tls-cert.",
        HelpName = "FILE",
    };

    /// <summary>Null: no TLS.</summary>
    public TlsOptions? Read(ParseResult parsed)
    {
        string? certificate = parsed.GetValue(Certificate);
        string? key = parsed.GetValue(Key);
        string? clientRoots = parsed.GetValue(ClientRoots);
        if ((certificate is null) != (key is null))
            throw new CommandException(ExitCode.Usage, "Of --tls-cert and --tls-key one is missing.");
        if (certificate is null && clientRoots is not null)
            throw new CommandException(ExitCode.Usage, "The option --client-ca needs --tls-cert and --tls-key.");
        return certificate is null ? null : new TlsOptions
        {
            Certificate = PemFiles.ReadCertificate(certificate, key!),
            RequireClientCertificate = clientRoots is not null,
            TrustedRoots = clientRoots is null ? null : PemFiles.ReadRoots(clientRoots),
        };
    }
}
