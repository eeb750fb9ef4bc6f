namespace PacketMQ;

/// <summary>How far a connection is. It only ever moves forward.</summary>
public enum ConnectionState
{
    /// <summary>The two sides agree on version and packet ids; nothing can be sent yet.</summary>
    Handshaking,

    /// <summary>Packets flow.</summary>
    Active,

    /// <summary>The end is decided; nothing is received any more. Until the farewell is written, packets can still be sent.</summary>
    Closing,

    /// <summary>It has ended; <see cref="Connection.Closed"/> has the reason.</summary>
    Closed,
}
