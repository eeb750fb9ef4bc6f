using System.Collections.Immutable;

namespace PacketMQ.Wire;

/// <summary>Which packet names only one side has; the four control packets count like any other (protocol, "Handshake").</summary>
internal readonly record struct NameDifference(ImmutableArray<string> MissingHere, ImmutableArray<string> MissingThere)
{
    /// <summary>How many names of each side a message lists; the other side chose them, and their number.</summary>
    private const int MaxListedNames = 20;

    public static NameDifference None { get; } = new([], []);

    public bool IsEmpty => MissingHere.IsEmpty && MissingThere.IsEmpty;

    public static NameDifference Between(Contract here, IdMap there)
    {
        IEnumerable<PacketDeclaration> own = WireProtocol.ControlPackets.Concat(here.Packets);
        ImmutableArray<string> missingThere = [.. own.Where(packet => !there.TryGetId(packet.Name, out _)).Select(packet => packet.Name)];

        // No name comes twice on either side: if all of ours are there, one more or less shows in the count.
        if (missingThere.IsEmpty && there.Entries.Count == WireProtocol.ControlPackets.Length + here.Packets.Length)
            return None;
        HashSet<string> names = own.Select(packet => packet.Name).ToHashSet(StringComparer.Ordinal);
        return new([.. there.Entries.Select(packet => packet.Name).Where(name => !names.Contains(name))], missingThere);
    }

    /// <summary>One or two sentences.</summary>
    public string Describe()
    {
        string here = MissingHere.IsEmpty ? "" : $" Only the other side has {List(MissingHere)}.";
        string there = MissingThere.IsEmpty ? "" : $" Only this side has {List(MissingThere)}.";
        return $"The two sides registered different packets.{here}{there}";
    }

    private static string List(ImmutableArray<string> names)
    {
        string listed = string.Join(", ", names.Take(MaxListedNames).Select(name => $"'{PrintableText.Escape(name)}'"));
        return names.Length > MaxListedNames ? $"{listed} and {names.Length - MaxListedNames} more" : listed;
    }
}
