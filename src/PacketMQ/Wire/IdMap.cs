using System.Buffers;

namespace PacketMQ.Wire;

/// <summary>What the other side announced in its PUBIDS (protocol, "Handshake"), checked.</summary>
internal sealed class IdMap
{
    private readonly List<PacketDeclaration> _entries = [];
    private readonly Dictionary<string, int> _ids = new(StringComparer.Ordinal);

    private IdMap()
    {
    }

    public bool AdaptsPacketIds { get; private set; }

    /// <summary>All that it lists, in its order; a peer lists the four control packets too.</summary>
    public IReadOnlyList<PacketDeclaration> Entries => _entries;

    public bool TryGetId(string name, out int id) => _ids.TryGetValue(name, out id);

    /// <exception cref="ProtocolException">The map is refused.</exception>
    public static IdMap Read(in ReadOnlySequence<byte> payload, int maxPacketTypes)
    {
        var reader = new ControlPacketReader(payload);
        if (!reader.TryReadMapHeader(out int keys))
            throw Bad($"The payload of the id map's packet must be a map; it is of type {reader.NextType}.");

        var map = new IdMap();
        bool? adapts = null;
        bool isListed = false;
        for (; keys > 0; keys--)
        {
            switch (reader.ReadKey())
            {
                case "adapt":
                    adapts = reader.ReadFlag() ?? throw Bad("'adapt' of the id map must be a boolean, or the integer 0 or 1.");
                    break;
                case "idmap":
                    map.ReadEntries(ref reader, maxPacketTypes);
                    isListed = true;
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }

        map.AdaptsPacketIds = adapts ?? throw Bad("The id map's packet lacks 'adapt'.");
        return isListed ? map : throw Bad("The id map's packet lacks 'idmap'.");
    }

    private void ReadEntries(ref ControlPacketReader reader, int maxPacketTypes)
    {
        if (!reader.TryReadMapHeader(out int count))
            throw Bad($"'idmap' must be a map; it is of type {reader.NextType}.");
        if (count > maxPacketTypes)
            throw new ProtocolException(CloseReason.TooManyPackets, $"The id map lists {count} names; at most {maxPacketTypes} are read.");

        _entries.Capacity = count;
        _ids.EnsureCapacity(count);
        var taken = new Dictionary<int, string>(count);
        for (; count > 0; count--)
        {
            string name = ReadName(ref reader);
            int id = ReadId(ref reader, name);
            if (!_ids.TryAdd(name, id))
                throw new ProtocolException(CloseReason.DuplicateKey, $"The id map lists the name '{name}' twice.");
            CheckReserved(name, id);
            if (!taken.TryAdd(id, name))
                throw new ProtocolException(CloseReason.IdMapInvalid, $"The id map gives the id {id} to both '{taken[id]}' and '{name}'.");
            _entries.Add(new PacketDeclaration(name, id));
        }
    }

    private static string ReadName(ref ControlPacketReader reader)
    {
        string? name = reader.ReadText();
        if (name is null)
            throw new ProtocolException(CloseReason.NameInvalid, "A name in the id map is not a string.");
        if (!WireProtocol.IsValidName(name))
        {
            throw new ProtocolException(
                CloseReason.NameInvalid,
                $"The name '{PrintableText.Escape(name)}' in the id map must be 1 to {WireProtocol.MaxNameBytes} printable ASCII characters.");
        }

        return name;
    }

    private static int ReadId(ref ControlPacketReader reader, string name)
    {
        long? id = reader.ReadInteger();
        if (id is >= 0 and <= WireProtocol.LastApplicationId)
            return (int)id;
        string given = id is null ? "is not an integer" : $"is {id}";
        throw new ProtocolException(
            CloseReason.IdMapInvalid, $"The id of '{name}' in the id map must be 0 to {WireProtocol.LastApplicationId}; it {given}.");
    }

    /// <summary>An application's packet on a control packet's id would be taken for that control packet, and the other way round.</summary>
    private static void CheckReserved(string name, int id)
    {
        foreach (PacketDeclaration control in WireProtocol.ControlPackets)
        {
            if (control.Name != name)
                continue;
            if (control.Id != id)
                throw new ProtocolException(CloseReason.ReservedId, $"The id map gives the id {id} to '{name}', which always has {control.Id}.");
            return;
        }

        if (id < WireProtocol.FirstApplicationId)
        {
            throw new ProtocolException(
                CloseReason.ReservedId,
                $"The id map gives the id {id} to '{name}'; ids below {WireProtocol.FirstApplicationId} are not for applications.");
        }
    }

    private static ProtocolException Bad(string message) => new(CloseReason.BadHandshake, message);
}
