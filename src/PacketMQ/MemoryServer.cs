namespace PacketMQ;

/// <summary>A server for clients in the same process: see <see cref="MemoryClient.ConnectAsync"/>. Codec, handshake and limits are those of every transport.</summary>
public class MemoryServer : Peer
{
    /// <inheritdoc/>
    public MemoryServer(PacketRegistry registry, PeerOptions? options = null)
        : base(registry, options)
        => RefuseTls();
}
