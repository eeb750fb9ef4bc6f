namespace PacketMQ.Tests.Connections.Life;

/// <summary>What a packet asks the handler for that gets it.</summary>
internal enum Wish
{
    None,

    /// <summary>Does not return before the test lets it.</summary>
    Hold,

    /// <summary>Softquits as <see cref="ModelEnd.HandlerReason"/>.</summary>
    Quit,

    /// <summary>Aborts.</summary>
    Abort,
}
