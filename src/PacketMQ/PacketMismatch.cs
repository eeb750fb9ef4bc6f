namespace PacketMQ;

/// <summary>What the adapting side does when the two registries do not have the same packet names.</summary>
public enum PacketMismatch
{
    /// <summary>The connection is refused with <see cref="CloseReason.NonEqualPackets"/>, and both sides learn which names differ.</summary>
    Refuse,

    /// <summary>The common names are used; what comes under the others is skipped and logged, unless there is a <see cref="PeerOptions.FallbackPacket"/>.</summary>
    Allow,
}
