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

    public Option<string?> Name { get; } = new("--tls-name")
    {
        Description = "The name that the server's certificate must be for, instead of the host that is connected to. A Unix domain socket has no host, so it needs this. Needs --tls.",
        HelpName = "HOST",
    };

    /// <summary>Null: no TLS.</summary>
    public TlsOptions? Read(ParseResult parsed, ServerAddress address)
    {
        string? name = parsed.GetValue(Name);
        string? roots = parsed.GetValue(Roots);
        string? certificate = parsed.GetValue(Certificate);
        string? key = parsed.GetValue(Key);
        if ((certificate is null) != (key is null))
            throw new CommandException(ExitCode.Usage, "Of --cert and --key one is missing.");
        if (!parsed.GetValue(Switch))
        {
            return roots is null && certificate is null && name is null
                ? null
                : throw new CommandException(ExitCode.Usage, "The options --ca, --cert, --key and --tls-name need --tls.");
        }

        if (name is { Length: 0 })
            throw new CommandException(ExitCode.Usage, "The name of --tls-name is empty.");
        if (name is null && address.SocketPath is not null)
        {
            throw new CommandException(
                ExitCode.Usage, $"{address} has no host name that the server's certificate could be for; give the name with --tls-name.");
        }

        return new TlsOptions
        {
            TrustedRoots = roots is null ? null : PemFiles.ReadRoots(roots),
            Certificate = certificate is null ? null : PemFiles.ReadCertificate(certificate, key!),
            TargetHost = name,
        };
    }
}
