namespace PacketMQ.Dispatch;

/// <summary>Ties a packet's name and object to its id in the registry and its id on the wire of one connection (or of all that agreed on the registry's own ids).</summary>
internal sealed record PacketRoute(string Name, Packet Packet, int Id, int WireId)
{
    /// <summary>What it demands; null: nothing.</summary>
    public PacketGuard? Guard { get; init; }

    /// <summary>Why its guard forbids sending it on connections of this kind; null: it does not.</summary>
    public string? SendFault { get; init; }

    /// <summary>Why its guard forbids receiving it on connections of this kind; null: it does not, its policy apart.</summary>
    public string? ReceiveFault { get; init; }

    /// <summary>The route on connections of one kind.</summary>
    public PacketRoute For(bool isClient, bool isEncrypted) => Guard is null ? this : this with
    {
        SendFault = Guard.FindSendFault(isClient, isEncrypted),
        ReceiveFault = Guard.FindReceiveFault(isClient, isEncrypted),
    };
}
