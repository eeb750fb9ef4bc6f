using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>How a connection shall end, and how much of a farewell is possible.</summary>
internal sealed record CloseRequest(CloseInfo Info, Farewell Farewell)
{
    /// <summary>The other side ended its stream between two frames.</summary>
    public static CloseRequest Disconnected()
        => new(new CloseInfo(CloseReason.Disconnected, CloseInitiator.Remote, "The other side ended the stream without a softquit."), Farewell.Finish);

    /// <summary>The other side's encrypted stream ended between two frames, and nothing proves that it was the other side who ended it.</summary>
    public static CloseRequest Truncated()
        => new(
            new CloseInfo(CloseReason.TruncatedStream, CloseInitiator.Remote, "The TLS stream ended without a softquit and without a close_notify."),
            Farewell.Finish);

    /// <summary>The other side's softquit.</summary>
    public static CloseRequest Quit(CloseReason reason, Session session)
    {
        var info = new CloseInfo(reason, CloseInitiator.Remote, "The other side quit.");
        if (reason == CloseReason.CertificateRefused)
        {
            info = info with { Description = "The other side refused this side's certificate, or got none." };
        }
        else if (reason == CloseReason.AuthenticationFailed)
        {
            info = info with { Description = "The other side refused who this side is, or could not find out." };
        }
        else if (reason == CloseReason.NonEqualPackets)
        {
            var (missingHere, missingThere) = session.CompareNames();
            info = info with
            {
                Description = $"The other side refused the packets. Only it has: {List(missingHere)}. Only this side has: {List(missingThere)}.",
                MissingHere = missingHere,
                MissingThere = missingThere,
            };
        }

        return new(info, Farewell.Finish);

        static string List(IReadOnlyCollection<string> names)
            => names.Count == 0 ? "none" : PrintableText.Escape(string.Join(", ", names.Take(20)), 2_048) + (names.Count > 20 ? ", ..." : "");
    }

    /// <summary>The other side broke the protocol.</summary>
    public static CloseRequest Refusal(ProtocolException exception)
    {
        var info = new CloseInfo(exception.Reason, CloseInitiator.Local, exception.Message)
        {
            Exception = exception,
            MissingHere = exception.MissingHere,
            MissingThere = exception.MissingThere,
        };
        if (exception.Reason == CloseReason.TruncatedFrame)
            return new(info with { Initiator = CloseInitiator.Remote }, Farewell.Finish);
        return new(info, exception.DropSilently ? Farewell.Cut : Farewell.SoftQuit);
    }

    public static CloseRequest TransportFailed(Exception exception)
        => exception is TlsFault fault ? TlsFailed(fault) : new(
            new CloseInfo(CloseReason.ConnectionReset, CloseInitiator.Transport, $"The transport failed: {exception.Message}") { Exception = exception },
            Farewell.Cut);

    private static CloseRequest TlsFailed(TlsFault fault)
    {
        (CloseReason reason, string description) = fault.Kind switch
        {
            TlsFaultKind.Certificate => (CloseReason.CertificateRefused, fault.Message),
            TlsFaultKind.NotTls => (CloseReason.TlsRequired, fault.Message + Hint(fault.FirstBytes)),
            _ => (CloseReason.TlsFailed, fault.Message),
        };
        var info = new CloseInfo(reason, fault.IsRemote ? CloseInitiator.Remote : CloseInitiator.Local, description) { Exception = fault };
        // Who speaks no TLS gets no answer. Without a softquit the other side may still be reading TLS's own alert.
        Farewell farewell = fault.Kind == TlsFaultKind.NotTls ? Farewell.Cut : fault.CanBeTold ? Farewell.SoftQuit : Farewell.Finish;
        return new(info, farewell);

        static string Hint(uint firstBytes)
            => ForeignProtocol.Recognize(firstBytes) is { } name ? $" It looks like {name}."
                : firstBytes is > 0 and <= 4_096 ? " It looks like PacketMQ in plain text."
                : "";
    }

    public static CloseRequest InternalError(Exception exception)
        => new(new CloseInfo(CloseReason.InternalError, CloseInitiator.Local, "This side failed; see its log.") { Exception = exception }, Farewell.SoftQuit);
}

internal enum Farewell
{
    /// <summary>Tell the other side the reason, then end the stream.</summary>
    SoftQuit,

    /// <summary>The other side knows: write what waits, then end the stream.</summary>
    Finish,

    /// <summary>Cut the transport: it failed, or nothing can be told to the other side.</summary>
    Cut,
}
