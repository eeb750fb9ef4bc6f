namespace PacketMQ;

/// <summary>What <see cref="Client"/> and <see cref="MemoryClient"/> have in common: a packet without a receiver goes to the first connected server.</summary>
public abstract class ClientPeer : Peer
{
    private Connection? _default;

    /// <inheritdoc/>
    protected ClientPeer(PacketRegistry registry, PeerOptions? options = null)
        : base(registry, options)
    {
    }

    /// <summary>The connection to the first connected server: of the active connections, the one that began first.</summary>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    public Connection DefaultConnection
    {
        get
        {
            Connection? connection = Volatile.Read(ref _default);
            if (connection?.State == ConnectionState.Active)
                return connection;
            connection = FirstActiveConnection
                ?? throw new InvalidOperationException("This client is not connected. Await ConnectAsync first, or see ConnectionLost for why the connection ended.");
            Volatile.Write(ref _default, connection);
            return connection;
        }
    }

    /// <summary>Sends a packet to the first connected server.</summary>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    /// <inheritdoc cref="Connection.SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask SendAsync(PacketKey packet, object? data, CancellationToken cancellationToken = default)
        => DefaultConnection.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends a typed packet to the first connected server, without boxing.</summary>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    /// <inheritdoc cref="Connection.SendAsync{T}(Packet{T}, T, CancellationToken)"/>
    public ValueTask SendAsync<T>(Packet<T> packet, T data, CancellationToken cancellationToken = default)
        => DefaultConnection.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends opaque bytes to the first connected server, with one copy and no allocation.</summary>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    /// <inheritdoc cref="Connection.SendAsync(BinaryPacket, ReadOnlyMemory{byte}, CancellationToken)"/>
    public ValueTask SendAsync(BinaryPacket packet, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
        => DefaultConnection.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends the body of a frame that is encoded already to the first connected server.</summary>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    /// <inheritdoc cref="Connection.SendEncodedAsync"/>
    public ValueTask SendEncodedAsync(ReadOnlyMemory<byte> raw, CancellationToken cancellationToken = default)
        => DefaultConnection.SendEncodedAsync(raw, cancellationToken);

    /// <summary>Handles decoded data as if the first connected server had sent it: see <see cref="Peer.ReceivePacketAsync"/>.</summary>
    /// <param name="packet">The packet's name, id or object.</param>
    /// <param name="data">The decoded data.</param>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    public ValueTask ReceivePacketAsync(PacketKey packet, object? data) => DefaultConnection.ReceiveAsync(packet, data);

    /// <summary>Handles the body of a frame as if the first connected server had sent it: see <see cref="Peer.ReceiveEncodedAsync"/>.</summary>
    /// <param name="raw">The body.</param>
    /// <exception cref="InvalidOperationException">There is no active connection.</exception>
    public ValueTask ReceiveEncodedAsync(ReadOnlyMemory<byte> raw) => DefaultConnection.ReceiveEncodedAsync(raw);
}
