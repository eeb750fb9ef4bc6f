namespace PacketMQ;

/// <summary>
/// What a packet demands of the connection that it travels on: given to <see cref="PacketRegistry.AddPacket"/>, for both ways. It is this
/// side's own affair: nothing of it goes over the wire, and the other side may have another one, or none.
/// </summary>
public sealed record PacketGuard
{
    /// <summary>
    /// Only on connections with <see cref="PeerOptions.Tls"/>. Memory connections and attached streams do not count as such. Default
    /// <see langword="false"/>.
    /// </summary>
    public bool RequireTls { get; init; }

    /// <summary>
    /// Which way it may travel. A peer that connects (<see cref="ClientPeer"/>) is the client, every other one the server. Default
    /// <see cref="PacketFlow.BothWays"/>.
    /// </summary>
    public PacketFlow Flow { get; init; }

    /// <summary>
    /// Decides for each packet that arrives, before it is decoded; <see langword="null"/> (default): all may. Called in the connection's turn,
    /// so it must return at once. One that throws says no. It is not asked about packets that are sent.
    /// </summary>
    public Func<PacketContext, bool>? Policy { get; init; }

    /// <summary>
    /// What happens when a packet arrives that may not. Default <see cref="RefusalAction.Close"/>: the connection ends as
    /// <see cref="CloseReason.NotPermitted"/>. Either way it is counted in <see cref="Connection.GuardViolations"/>.
    /// </summary>
    public RefusalAction Violation { get; init; }

    internal void Validate()
    {
        PeerOptions.CheckDefined(Flow, nameof(Flow));
        PeerOptions.CheckDefined(Violation, nameof(Violation));
    }

    /// <summary>Why the packet may not be sent on a connection. Null: it may.</summary>
    internal string? FindSendFault(bool isClient, bool isEncrypted)
        => RequireTls && !isEncrypted ? "needs TLS, which the connection does not have"
            : Flow == (isClient ? PacketFlow.ServerToClient : PacketFlow.ClientToServer) ? $"may only be sent from {Direction}"
            : null;

    /// <summary>Why the packet may not be received on a connection, its policy apart. Null: it may.</summary>
    internal string? FindReceiveFault(bool isClient, bool isEncrypted)
        => RequireTls && !isEncrypted ? "needs TLS, which the connection does not have"
            : Flow == (isClient ? PacketFlow.ClientToServer : PacketFlow.ServerToClient) ? $"may only be sent from {Direction}"
            : null;

    private string Direction => Flow == PacketFlow.ClientToServer ? "client to server" : "server to client";
}
