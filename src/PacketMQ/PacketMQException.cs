namespace PacketMQ;

/// <summary>The base of this library's exceptions. <see cref="PacketException"/>: the caller's own fault; <see cref="ConnectionClosedException"/>: the connection's end.</summary>
public abstract class PacketMQException : Exception
{
    private protected PacketMQException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
