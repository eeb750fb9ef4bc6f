namespace PacketMQ;

/// <summary>Which way a logged packet went.</summary>
public enum PacketDirection
{
    /// <summary>It came from the other side.</summary>
    Received,

    /// <summary>It was handed over for sending.</summary>
    Sent,
}
