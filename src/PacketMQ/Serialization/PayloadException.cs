namespace PacketMQ.Serialization;

/// <summary>A well-formed payload that can't become the value it should be: the sender's fault. The message names the offending part, escaped.</summary>
internal sealed class PayloadException(CloseReason reason, string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary><see cref="CloseReason.TypeMismatch"/>, <see cref="CloseReason.DuplicateKey"/> or <see cref="CloseReason.TooManyItems"/>.</summary>
    public CloseReason Reason { get; } = reason;
}
