namespace PacketMQ;

/// <summary>
/// A packet can't be sent because of what the caller gave: data that can't be encoded, a frame above the limit, a packet that is
/// not registered or that the other side does not know. Nothing was sent, and the connection goes on.
/// </summary>
public sealed class PacketException : PacketMQException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">A sentence that names the value and the rule.</param>
    /// <param name="innerException">What the encoder threw, if it did.</param>
    public PacketException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
