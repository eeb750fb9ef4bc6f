using System.Collections.Immutable;

namespace PacketMQ;

/// <summary>How a connection ended. Every connection has exactly one: the first cause wins.</summary>
/// <param name="Reason">The reason; the same name on both sides if it could still be sent.</param>
/// <param name="Initiator">Who ended it.</param>
/// <param name="Description">One sentence for people: what was wrong, with the offending value and the limit. Text from the peer is escaped.</param>
public sealed record CloseInfo(CloseReason Reason, CloseInitiator Initiator, string Description)
{
    /// <summary>The exception behind it, if there is one.</summary>
    public Exception? Exception { get; init; }

    /// <summary>With <see cref="CloseReason.NonEqualPackets"/>: the names that only the other side has. Otherwise empty.</summary>
    public ImmutableArray<string> MissingHere { get; init; } = [];

    /// <summary>With <see cref="CloseReason.NonEqualPackets"/>: the names that only this side has. Otherwise empty.</summary>
    public ImmutableArray<string> MissingThere { get; init; } = [];

    /// <summary>Reason, initiator and description in one line.</summary>
    public override string ToString() => $"{Reason} ({Initiator}): {Description}";
}
