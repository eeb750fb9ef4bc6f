namespace PacketMQ;

/// <summary>Which way a packet may travel: see <see cref="PacketGuard.Flow"/>.</summary>
public enum PacketFlow
{
    /// <summary>Both sides may send it.</summary>
    BothWays,

    /// <summary>Only a client may send it.</summary>
    ClientToServer,

    /// <summary>Only a server may send it.</summary>
    ServerToClient,
}
