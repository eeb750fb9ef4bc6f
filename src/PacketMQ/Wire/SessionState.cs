namespace PacketMQ.Wire;

/// <summary>Which packet a session waits for (protocol, "Handshake"); the order is strict.</summary>
internal enum SessionState
{
    AwaitInit,

    /// <summary>INIT was accepted; our id map is held back until <see cref="Session.Approve"/>. Only a softquit counts, everything else is passed over.</summary>
    AwaitApproval,

    /// <summary>INIT was accepted and answered with our id map.</summary>
    AwaitIdMap,

    /// <summary>The other side's id map was accepted and answered with FINISH.</summary>
    AwaitFinish,

    /// <summary>Both sides are through: application packets.</summary>
    Active,

    /// <summary>A softquit was received or written, or the other side broke the protocol: nothing is read any more.</summary>
    Closed,
}
