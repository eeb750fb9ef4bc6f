using System.CommandLine;

namespace PacketMQ.Tool;

/// <summary>The options that make <c>send</c> and <c>listen</c> speak TLS.</summary>
internal sealed class ClientTls
{
    public Option<bool> Switch { get; } = new("--tls")
    {
        Description = "Speaks TLS and checks the server's certificate, by the system's roots or by --ca.",
    };

    public Option<string?> Roots { get; } = new("--ca")
    {
        Description = "The only roots that the server's certificate may be issued by (PEM). Needs --tls.",
        HelpName = "FILE",
    };

    public Option<string?> Certificate { get; } = new("--cert")
    {
        Description = "The own certificate, for servers that require one (PEM). Needs --tls and --key.",
        HelpName = "FILE",
    };

    public Option<string?> Key { get; } = new("--key")
    {
        Description = "The private key of --cert (PEM).",
        HelpName = "FILE",
    };

    /// <summary>Null: no TLS.</summary>
    public TlsOptions? Read(ParseResult parsed)
    {
        string? roots = parsed.GetValue(Roots);
        string? certificate = parsed.GetValue(Certificate);
        string? key = parsed.GetValue(Key);
        if ((certificate is null) != (key is null))
            throw new CommandException(ExitCode.Usage, "Of --cert and --key one is missing.");
        if (!parsed.GetValue(Switch))
        {
            return roots is null && certificate is null
                ? null
                : throw new CommandException(ExitCode.Usage, "The options --ca, --cert and --key need --tls.");
        }

        return new TlsOptions
        {
            TrustedRoots = roots is null ? null : PemFiles.ReadRoots(roots),
            Certificate = certificate is null ? null : PemFiles.ReadCertificate(certificate, key!),
        };
    }
}
