namespace PacketMQ;

/// <summary>Who ended a connection.</summary>
public enum CloseInitiator
{
    /// <summary>This side: a softquit, an abort, a stop, or the refusal of what the other side sent.</summary>
    Local,

    /// <summary>The other side: its softquit, or the end of its stream.</summary>
    Remote,

    /// <summary>Neither: the transport failed.</summary>
    Transport,
}
