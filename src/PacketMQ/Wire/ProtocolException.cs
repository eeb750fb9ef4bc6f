using System.Collections.Immutable;

namespace PacketMQ.Wire;

/// <summary>
/// The other side broke the protocol: the stream is over. Carries the reason as data, so that the connection can tell the peer
/// (protocol, "Closing") and raise it here. The message names the offending value and the limit, with peer-chosen text escaped.
/// </summary>
internal sealed class ProtocolException(CloseReason reason, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    public CloseReason Reason { get; } = reason;

    /// <summary>Set when the other side does not speak the protocol at all (HTTP, TLS): the connection is dropped without a reply.</summary>
    public bool DropSilently { get; init; }

    public ImmutableArray<string> MissingHere { get; init; } = [];

    public ImmutableArray<string> MissingThere { get; init; } = [];
}
