using System.Collections.Immutable;

namespace PacketMQ.Wire;

/// <summary>
/// What a handshake agreed on: which id each packet has on this one connection. It belongs to the connection alone; the registry
/// and the contract are never changed by it.
/// </summary>
internal sealed class Agreement
{
    // A short string, the declaration, a route and its place in four tables.
    private const int BytesPerOnlyThere = 300;

    /// <summary>The id on the wire of each packet of the own contract, in its order; -1 where the other side does not have the name.</summary>
    public required ImmutableArray<int> WireIds { get; init; }

    /// <summary>What only the other side has. Empty unless unequal packets are allowed.</summary>
    public required ImmutableArray<PacketDeclaration> OnlyThere { get; init; }

    /// <summary>Whether <see cref="WireIds"/> are the own contract's ids and <see cref="OnlyThere"/> is empty, so that one table can serve all such connections.</summary>
    public required bool IsOwnContract { get; init; }

    /// <summary>About how many bytes <see cref="OnlyThere"/> costs, with what the routes of the connection make of it.</summary>
    public int OnlyThereBytes => OnlyThere.Length * BytesPerOnlyThere;

    /// <summary>The ids of the side that does not adapt: its own.</summary>
    public static Agreement OnOwnIds(Contract contract) => new()
    {
        WireIds = contract.Ids,
        OnlyThere = [],
        IsOwnContract = true,
    };

    /// <summary>The ids of the side that adapts: the other side's.</summary>
    public static Agreement OnTheirIds(Contract contract, IdMap there, NameDifference difference)
    {
        ImmutableArray<int> ids = [.. contract.Packets.Select(packet => there.TryGetId(packet.Name, out int id) ? id : -1)];
        ImmutableArray<PacketDeclaration> onlyThere =
            [.. difference.MissingHere.Select(name => there.TryGetId(name, out int id) ? new PacketDeclaration(name, id) : default)];
        return onlyThere.IsEmpty && ids.SequenceEqual(contract.Ids)
            ? OnOwnIds(contract)
            : new() { WireIds = ids, OnlyThere = onlyThere, IsOwnContract = false };
    }
}
