using PacketMQ.Transports;

namespace PacketMQ;

/// <summary>A client of servers in the same process. Codec, handshake and limits are those of every transport.</summary>
public class MemoryClient : ClientPeer
{
    /// <inheritdoc/>
    public MemoryClient(PacketRegistry registry, PeerOptions? options = null)
        : base(registry, options)
        => RefuseTls();

    /// <summary>Connects to a server in the same process.</summary>
    /// <param name="server">The server.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The connection, active: packets can be sent.</returns>
    /// <exception cref="ConnectionClosedException">The handshake failed, or one of the two has stopped.</exception>
    public async Task<Connection> ConnectAsync(MemoryServer server, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(server);
        (TransportConnection near, TransportConnection far) = MemoryConnection.CreatePair();
        if (server.Begin(far, memoryServer: null, isIncoming: true, out CloseInfo? refusal) is null)
        {
            await near.DisposeAsync().ConfigureAwait(false);
            if (refusal!.Reason == CloseReason.Overloaded)
                throw new ConnectionClosedException(refusal with { Initiator = CloseInitiator.Remote });
            throw new ConnectionClosedException(new CloseInfo(CloseReason.Unreachable, CloseInitiator.Transport, "The memory server has stopped."));
        }

        return await ActivateAsync(near, cancellationToken, server).ConfigureAwait(false);
    }

    /// <summary>Ends the connections to a server as <see cref="CloseReason.Generic"/>; all callbacks are called on both sides.</summary>
    /// <param name="server">The server; <see langword="null"/>: the first connected one.</param>
    /// <param name="cancellationToken">Ends the waiting, not the closing.</param>
    /// <exception cref="InvalidOperationException">There is no such connection.</exception>
    public async Task DisconnectAsync(MemoryServer? server = null, CancellationToken cancellationToken = default)
    {
        Connection[] connections = server is null
            ? [DefaultConnection]
            : [.. Connections.Where(connection => connection.MemoryServer == server)];
        if (connections.Length == 0)
            throw new InvalidOperationException("This client is not connected to that server.");
        await Task.WhenAll(connections.Select(connection => connection.SoftQuitAsync(CloseReason.Generic, cancellationToken))).ConfigureAwait(false);
    }
}
