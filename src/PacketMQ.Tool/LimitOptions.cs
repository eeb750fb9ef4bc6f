using System.CommandLine;

namespace PacketMQ.Tool;

/// <summary>The limits of <c>serve</c> that can be set on the command line.</summary>
internal sealed class LimitOptions
{
    private readonly Option<int?> _maxConnections = new("--max-connections")
    {
        Description = "How many connections may be there at once; one more is turned away. Default: 65536, or less if the process may have fewer open files.",
        HelpName = "N",
    };

    private readonly Option<int?> _maxFrame = new("--max-frame")
    {
        Description = "The largest packet that is read, in bytes with its id. Default: 1048576.",
        HelpName = "BYTES",
    };

    private readonly Option<double?> _handshakeTimeout = new("--handshake-timeout")
    {
        Description = "How many seconds a client may take to shake hands. Default: 10.",
        HelpName = "S",
    };

    /// <summary>Adds the options to a command.</summary>
    public LimitOptions(Command command)
    {
        command.Add(_maxConnections);
        command.Add(_maxFrame);
        command.Add(_handshakeTimeout);
    }

    /// <summary>The options of a peer with the limits that were given; the peer checks them.</summary>
    public PeerOptions Read(ParseResult parsed)
    {
        var options = new PeerOptions();
        double? seconds = parsed.GetValue(_handshakeTimeout);
        if (seconds is not (null or (> 0 and <= 1_000_000)))
            throw new CommandException(ExitCode.Usage, "The time of --handshake-timeout must be above zero and at most 1000000 seconds.");
        return options with
        {
            MaxConnections = parsed.GetValue(_maxConnections) ?? options.MaxConnections,
            MaxFrameBytes = parsed.GetValue(_maxFrame) ?? options.MaxFrameBytes,
            HandshakeTimeout = seconds is { } given ? TimeSpan.FromSeconds(given) : options.HandshakeTimeout,
        };
    }
}
