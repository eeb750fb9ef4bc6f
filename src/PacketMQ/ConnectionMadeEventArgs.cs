namespace PacketMQ;

/// <summary>A connection is made: see <see cref="Peer.ConnectionMade"/>.</summary>
/// <param name="connection">The connection.</param>
public sealed class ConnectionMadeEventArgs(Connection connection) : EventArgs
{
    /// <summary>The connection.</summary>
    public Connection Connection { get; } = connection;
}
