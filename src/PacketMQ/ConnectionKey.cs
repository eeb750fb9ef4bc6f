namespace PacketMQ;

/// <summary>One of the two ways to say which connection is meant: its id or its object. Both convert implicitly.</summary>
public readonly record struct ConnectionKey
{
    private ConnectionKey(Connection? connection, long id) => (Connection, Id) = (connection, id);

    internal Connection? Connection { get; }

    internal long Id { get; }

    /// <summary>Means the connection with this id.</summary>
    /// <param name="id">A connection's <see cref="PacketMQ.Connection.Id"/>.</param>
    public static implicit operator ConnectionKey(long id) => new(null, id);

    /// <summary>Means this connection.</summary>
    /// <param name="connection">A connection of the peer that gets the key.</param>
    public static implicit operator ConnectionKey(Connection connection)
    {
        ArgumentNullException.ThrowIfNull(connection);
        return new(connection, connection.Id);
    }

    /// <summary>The connection's id, for messages.</summary>
    public override string ToString() => $"connection {Id}";
}
