namespace PacketMQ.Tests.Connections.Life;

/// <summary>What one end of a connection gets from the other, in order.</summary>
internal abstract record Arrival
{
    /// <summary>What a stranger says to become a peer.</summary>
    public sealed record Handshake : Arrival;

    public sealed record Packet(long Number, Wish Wish) : Arrival;

    public sealed record SoftQuit(CloseReason Reason) : Arrival;

    /// <summary>A frame that no peer sends.</summary>
    public sealed record BadFrame : Arrival;

    /// <summary>The stream is over, between two frames or inside one.</summary>
    public sealed record End(bool IsInsideFrame) : Arrival;
}

/// <summary>How a connection ended, as one end sees it.</summary>
internal readonly record struct Ending(CloseReason Reason, CloseInitiator Initiator)
{
    public static readonly Ending Reset = new(CloseReason.ConnectionReset, CloseInitiator.Transport);

    public override string ToString() => $"{Reason} {Initiator}";
}

/// <summary>What a call may lead to.</summary>
internal enum Outcome
{
    Done,

    /// <summary>A <see cref="PacketException"/>: the handshake is not through.</summary>
    TooEarly,

    /// <summary>A <see cref="ConnectionClosedException"/> with the connection's end.</summary>
    Ended,

    /// <summary>Done or ended: the transport is cut and nobody has looked yet, or the farewell is just being written.</summary>
    DoneOrEnded,
}
