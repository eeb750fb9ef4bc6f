using System.Buffers;
using PacketMQ.Wire;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// The payload of a control packet, most of all the id map. The first byte chooses the packet and the limit, the second the slicing.
/// An id map that is accepted obeys its rules, gives an agreement that does too, and is written in bytes that read as the same map.
/// </summary>
internal static class ControlTarget
{
    private const int Factor = 16;

    private static readonly Contract Own = new(true, [new("chat", 16), new("move", 17), new("score", 300)]);

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        int kind = input.Span[0] & 3;
        int maxPacketTypes = (input.Span[0] & 4) != 0 ? 5 : 4_096;
        int way = input.Span[1];
        input = input[2..];
        if (!CheckedPayload.IsAccepted(input, way, 64, int.MaxValue, out _))
            return;
        string whole = Read(new(input), kind, maxPacketTypes, out IdMap? map);
        string sliced = Read(Slicing.Segments(input, way), kind, maxPacketTypes, out _);
        Invariant.Holds(whole == sliced, $"Whole it is '{whole}', in segments '{sliced}'.");
        if (map is not null)
            CheckMap(map, maxPacketTypes);
    }

    private static string Read(ReadOnlySequence<byte> payload, int kind, int maxPacketTypes, out IdMap? map)
    {
        (string verdict, map) = MemoryBudget.Check((int)payload.Length, Factor, (payload, kind, maxPacketTypes), static at =>
        {
            try
            {
                switch (at.kind)
                {
                    case 2:
                        ControlPackets.ReadInit(at.payload);
                        return ("", null);
                    case 3:
                        CloseReason reason = ControlPackets.ReadSoftQuit(at.payload);
                        Invariant.Holds(CloseReason.IsValidName(reason.Name), "A softquit has a reason that is none.");
                        return (reason.Name, (IdMap?)null);
                    default:
                        return ("", IdMap.Read(at.payload, at.maxPacketTypes));
                }
            }
            catch (ProtocolException e)
            {
                foreach (char c in e.Message)
                    Invariant.Holds(c is >= ' ' and <= '~', "A message has characters that are not printable.");
                Invariant.Holds(e.Message.Length <= 2_048, $"A message has {e.Message.Length} characters.");
                return ($"{e.Reason}: {e.Message}", null);
            }
        });
        return verdict;
    }

    private static void CheckMap(IdMap map, int maxPacketTypes)
    {
        Invariant.Holds(map.Entries.Count <= maxPacketTypes, "The map has more names than allowed.");
        Invariant.Holds(map.Entries.DistinctBy(entry => entry.Id).Count() == map.Entries.Count, "Two names have one id.");
        Invariant.Holds(map.Entries.DistinctBy(entry => entry.Name).Count() == map.Entries.Count, "A name comes twice.");
        foreach (PacketDeclaration entry in map.Entries)
        {
            Invariant.Holds(map.TryGetId(entry.Name, out int id) && id == entry.Id, "A listed name is not found.");
            Invariant.Holds(WireProtocol.IsValidName(entry.Name), "A name is not valid.");
            bool isControl = WireProtocol.ControlPackets.Contains(entry);
            Invariant.Holds(isControl || entry.Id is >= WireProtocol.FirstApplicationId and <= WireProtocol.LastApplicationId, "An id is reserved.");
        }

        NameDifference difference = NameDifference.Between(Own, map);
        Agreement agreement = Agreement.OnTheirIds(Own, map, difference);
        Invariant.Holds(agreement.WireIds.Length == Own.Packets.Length, "The agreement has other packets.");
        for (int i = 0; i < Own.Packets.Length; i++)
        {
            int expected = map.TryGetId(Own.Packets[i].Name, out int id) ? id : -1;
            Invariant.Holds(agreement.WireIds[i] == expected, "The agreement has another id than the map.");
        }

        Invariant.Holds(agreement.OnlyThere.All(packet => map.Entries.Contains(packet)), "The agreement invents a packet.");
        Invariant.Holds(difference.Describe().Length < 32_768, "A message is too long.");
        CheckWritten(map);
    }

    private static void CheckWritten(IdMap map)
    {
        var contract = new Contract(map.AdaptsPacketIds, [.. map.Entries.Where(entry => entry.Id >= WireProtocol.FirstApplicationId)]);
        ReadOnlyMemory<byte> frame = contract.IdMapFrame;
        Invariant.Holds(
            FrameReader.TryRead(frame.Span, int.MaxValue, out int frameBytes, out int packetId) && frameBytes == frame.Length && packetId == WireProtocol.IdMapId,
            "The id map's own frame is none.");
        ReadOnlyMemory<byte> payload = frame[WireProtocol.HeaderBytes..];
        Invariant.Holds(CheckedPayload.IsAccepted(payload, Slicing.Whole, 64, int.MaxValue, out _), "The own id map is not accepted.");
        IdMap again = IdMap.Read(new(payload), int.MaxValue);
        Invariant.Holds(
            again.AdaptsPacketIds == map.AdaptsPacketIds && again.Entries.SequenceEqual([.. WireProtocol.ControlPackets, .. contract.Packets]),
            "What was written reads as another map.");
    }
}
