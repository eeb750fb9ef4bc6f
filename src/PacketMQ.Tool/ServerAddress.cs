using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Tool;

/// <summary>
/// HOST:PORT as it is written on the command line; an IPv6 address stands in brackets. Text with a slash, which no host has, is the
/// path of a Unix domain socket.
/// </summary>
internal sealed record ServerAddress(string Host, int Port)
{
    /// <summary>The path of a Unix domain socket; then there is no host and no port.</summary>
    public string? SocketPath { get; private init; }

    /// <summary>The argument of the commands that connect.</summary>
    public static Argument<ServerAddress> CreateArgument() => new("HOST:PORT")
    {
        Description = "Where the server listens: localhost:12345, 192.0.2.7:12345, [::1]:12345, or the path of a Unix domain socket with a slash: ./my.sock.",
        CustomParser = Parse,
    };

    /// <summary>Reads an address.</summary>
    /// <exception cref="FormatException">It is none; the message is the sentence for the user.</exception>
    public static ServerAddress Parse(string text)
    {
        if (text.Contains('/', StringComparison.Ordinal))
            return ForSocket(text);
        int colon = text.LastIndexOf(':');
        string host = colon < 0 ? text : text[..colon];
        bool isBracketed = host is ['[', .., ']'];
        if (isBracketed)
            host = host[1..^1];
        if (colon < 1 || host.Length == 0 || host.AsSpan().ContainsAny(" []") || (host.Contains(':', StringComparison.Ordinal) && !isBracketed))
            throw new FormatException($"The address '{text}' is not HOST:PORT, such as localhost:12345 or [::1]:12345.");
        if (isBracketed && !IPAddress.TryParse(host, out _))
            throw new FormatException($"The address '{text}' has no IPv6 address in its brackets.");
        return new(host, ParsePort(text[(colon + 1)..], 1));
    }

    /// <summary>Reads a port.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static int ParsePort(string text, int least)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port >= least && port <= IPEndPoint.MaxPort
            ? port
            : throw new FormatException($"The port '{text}' is not a number from {least} to {IPEndPoint.MaxPort}.");

    /// <summary>The address of a Unix domain socket.</summary>
    /// <exception cref="FormatException">The system takes no such path.</exception>
    public static ServerAddress ForSocket(string path)
    {
        try
        {
            _ = new UnixDomainSocketEndPoint(path);
            return new("", 0) { SocketPath = path };
        }
        catch (ArgumentException)
        {
            throw new FormatException($"The path '{path}' is empty or too long for a Unix domain socket.");
        }
    }

    /// <summary>The address for a client.</summary>
    public EndPoint ToEndPoint()
    {
        if (SocketPath is not null)
            return new UnixDomainSocketEndPoint(SocketPath);
        return IPAddress.TryParse(Host, out IPAddress? address) ? new IPEndPoint(address, Port) : new DnsEndPoint(Host, Port);
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (SocketPath is not null)
            return SocketPath;
        string port = Port.ToString(CultureInfo.InvariantCulture);
        return Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{port}" : $"{Host}:{port}";
    }

    private static ServerAddress? Parse(ArgumentResult result) => result.Read(Parse);
}
