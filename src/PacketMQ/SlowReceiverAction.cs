namespace PacketMQ;

/// <summary>What a broadcast does with a connection that has no room: more than <see cref="PeerOptions.MaxPendingSendBytes"/> wait for its transport.</summary>
public enum SlowReceiverAction
{
    /// <summary>
    /// The packet waits for it, within <see cref="PeerOptions.MaxWaitingSendBytes"/> and <see cref="PeerOptions.MaxWaitingSends"/>; above them
    /// the connection ends as <see cref="CloseReason.SlowConsumer"/>. The broadcast itself waits only while more than half of its
    /// receivers have no room, so that it goes at the pace of the faster half.
    /// </summary>
    Queue,

    /// <summary>It misses the packet. Right for what the next packet makes old: positions, prices.</summary>
    Skip,

    /// <summary>It is cut, as <see cref="CloseReason.SlowConsumer"/>.</summary>
    Close,
}
