namespace PacketMQ;

/// <summary>What happens to a connection when one of its handlers throws. The exception is logged and raised as <see cref="Peer.HandlerFailed"/> in any case.</summary>
public enum HandlerFailureAction
{
    /// <summary>The connection goes on with its next packet.</summary>
    Continue,

    /// <summary>The connection ends as <see cref="CloseReason.HandlerFailed"/>.</summary>
    Close,
}
