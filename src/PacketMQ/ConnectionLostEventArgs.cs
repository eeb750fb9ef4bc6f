namespace PacketMQ;

/// <summary>A connection ended, or was refused in the handshake: see <see cref="Peer.ConnectionLost"/> and <see cref="Peer.ConnectionRefused"/>.</summary>
/// <param name="connection">The connection.</param>
/// <param name="closeInfo">How it ended.</param>
public sealed class ConnectionLostEventArgs(Connection connection, CloseInfo closeInfo) : EventArgs
{
    /// <summary>The connection.</summary>
    public Connection Connection { get; } = connection;

    /// <summary>How it ended.</summary>
    public CloseInfo CloseInfo { get; } = closeInfo;
}
