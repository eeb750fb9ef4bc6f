using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;

namespace PacketMQ.Wire;

/// <summary>
/// The names that the other side listed, as a connection keeps them for its whole life. A peer may list thousands that mean nothing here: of
/// these only the characters are kept, and they become strings when somebody asks. Names that this side has too are its own strings. Immutable.
/// </summary>
internal sealed class PeerNames
{
    // In place of a name's length, which is never 0: two bytes follow, the place of an own name.
    private const byte OwnName = 0;

    private readonly ImmutableArray<string> _listed; // if they are the own ones
    private readonly Contract? _own;
    private readonly byte[] _encoded = [];

    private PeerNames(ImmutableArray<string> listed) => _listed = listed;

    private PeerNames(Contract own, IdMap there)
    {
        _own = own;
        var places = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (string name in OwnNames(own))
            places.Add(name, places.Count);
        var output = new ArrayBufferWriter<byte>();
        foreach (PacketDeclaration packet in there.Entries)
        {
            if (places.TryGetValue(packet.Name, out int place))
            {
                output.Write([OwnName]);
                BinaryPrimitives.WriteUInt16BigEndian(output.GetSpan(2), (ushort)place);
                output.Advance(2);
            }
            else
            {
                output.Write([(byte)packet.Name.Length]); // ASCII, and not longer: the id map was checked
                Encoding.ASCII.GetBytes(packet.Name, output);
                ForeignBytes += 1 + packet.Name.Length;
            }
        }

        _encoded = output.WrittenSpan.ToArray();
    }

    public static PeerNames None { get; } = new([]);

    /// <summary>How many bytes are kept of names that only the other side has.</summary>
    public int ForeignBytes { get; }

    /// <summary>All but the control packets, in the other side's order.</summary>
    public ImmutableArray<string> ApplicationNames
        => _own is null ? _listed : [.. Decode(_own).Where(listed => !(listed.Place < ControlPackets)).Select(listed => listed.Name)];

    private static int ControlPackets => WireProtocol.ControlPackets.Length;

    /// <param name="own">This side's packets.</param>
    /// <param name="there">The other side's.</param>
    /// <param name="difference">Between the two.</param>
    public static PeerNames Of(Contract own, IdMap there, NameDifference difference)
    {
        if (!difference.IsEmpty)
            return new PeerNames(own, there);
        IEnumerable<string> listed = there.Entries.Where(packet => packet.Id >= WireProtocol.FirstApplicationId).Select(packet => packet.Name);
        if (listed.SequenceEqual(own.Names))
            return new PeerNames(own.Names); // a peer of the same program: no connection needs an array of its own
        Dictionary<string, string> names = own.Names.ToDictionary(name => name, StringComparer.Ordinal);
        return new PeerNames([.. listed.Select(name => names[name])]);
    }

    /// <summary>The names that only one side has.</summary>
    public NameDifference Compare()
    {
        if (_own is null)
            return NameDifference.None;
        (string Name, int? Place)[] listed = [.. Decode(_own)];
        HashSet<int?> places = [.. listed.Select(one => one.Place)];
        return new(
            [.. listed.Where(one => one.Place is null).Select(one => one.Name)],
            [.. OwnNames(_own).Where((_, place) => !places.Contains(place))]);
    }

    private static IEnumerable<string> OwnNames(Contract own) => WireProtocol.ControlPackets.Select(packet => packet.Name).Concat(own.Names);

    private IEnumerable<(string Name, int? Place)> Decode(Contract own)
    {
        for (int i = 0; i < _encoded.Length;)
        {
            int length = _encoded[i++];
            if (length == OwnName)
            {
                int place = BinaryPrimitives.ReadUInt16BigEndian(_encoded.AsSpan(i));
                i += 2;
                yield return (place < ControlPackets ? WireProtocol.ControlPackets[place].Name : own.Names[place - ControlPackets], place);
            }
            else
            {
                yield return (Encoding.ASCII.GetString(_encoded, i, length), null);
                i += length;
            }
        }
    }
}
