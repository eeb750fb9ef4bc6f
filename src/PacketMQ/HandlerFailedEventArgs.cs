namespace PacketMQ;

/// <summary>A handler threw: see <see cref="Peer.HandlerFailed"/>.</summary>
/// <param name="connection">The connection that the packet came from.</param>
/// <param name="packetName">The packet's name.</param>
/// <param name="exception">What the handler threw.</param>
public sealed class HandlerFailedEventArgs(Connection connection, string packetName, Exception exception) : EventArgs
{
    /// <summary>The connection that the packet came from.</summary>
    public Connection Connection { get; } = connection;

    /// <summary>The packet's name.</summary>
    public string PacketName { get; } = packetName;

    /// <summary>What the handler threw.</summary>
    public Exception Exception { get; } = exception;
}
