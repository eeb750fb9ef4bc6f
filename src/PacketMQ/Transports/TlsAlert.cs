using System.Globalization;
using System.Text.RegularExpressions;

namespace PacketMQ.Transports;

/// <summary>What the other side had to say when it refused our part of TLS: RFC 8446, 6.2.</summary>
internal static partial class TlsAlert
{
    // The library ERR_LIB_SSL in the upper bits; reasons from 1000 on are 1000 + the alert that was received.
    private const uint OpenSslLibrary = 0x0A00_0000;
    private const uint OpenSslFirstAlert = 1000;

    /// <summary>The alert that an exception of an SslStream tells of. Null: none, or this platform does not say.</summary>
    public static int? Find(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
        {
            if (OpenSslError().Match(exception.Message) is { Success: true } match
                && uint.Parse(match.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture) - OpenSslLibrary - OpenSslFirstAlert is var alert and <= 255)
            {
                return (int)alert;
            }
        }

        return null;
    }

    /// <summary>The fault that an alert stands for, as this side shall report it.</summary>
    public static TlsFault ToFault(int alert, Exception? inner)
    {
        (TlsFaultKind kind, string message) = alert switch
        {
            42 => (TlsFaultKind.Certificate, "refused this side's certificate as bad"),
            43 => (TlsFaultKind.Certificate, "refused this side's certificate: wrong kind or usage"),
            44 => (TlsFaultKind.Certificate, "refused this side's certificate: it is revoked"),
            45 => (TlsFaultKind.Certificate, "refused this side's certificate: it is expired or not yet valid"),
            46 => (TlsFaultKind.Certificate, "refused this side's certificate"),
            48 => (TlsFaultKind.Certificate, "refused this side's certificate: it does not trust its issuer"),
            49 => (TlsFaultKind.Certificate, "refused this side: access denied"),
            70 => (TlsFaultKind.Failed, "speaks no TLS version that this side takes"),
            112 => (TlsFaultKind.Failed, "has no certificate for the name that was asked for"),
            116 => (TlsFaultKind.Certificate, "requires a certificate of this side"),
            120 => (TlsFaultKind.Failed, "does not speak the protocol packetmq/1 (ALPN)"),
            40 => (TlsFaultKind.Failed, "could not agree with this side on TLS"),
            _ => (TlsFaultKind.Failed, "refused TLS"),
        };
        return new TlsFault(kind, $"The other side {message} (TLS alert {alert}).", inner) { IsRemote = true };
    }

    [GeneratedRegex("error:([0-9A-Fa-f]{8}):")]
    private static partial Regex OpenSslError();
}
