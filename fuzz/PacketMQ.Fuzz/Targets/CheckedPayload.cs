using System.Buffers;
using PacketMQ.Wire;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// The verdict of <see cref="PayloadScanner"/>: in one piece and in segments, and the same as <see cref="ReferenceMsgpack"/>'s. What
/// it accepts the serializer's own reader must be able to pass over, to the last byte.
/// </summary>
internal static class CheckedPayload
{
    private static readonly Nerdbank.MessagePack.SerializationContext AnyDepth = new() { MaxDepth = int.MaxValue };

    /// <summary>The least that a refusal allocates is an exception with its message and trace: that is <see cref="MemoryBudget"/>'s fixed part.</summary>
    private const int Factor = 16;

    public static bool IsAccepted(ReadOnlyMemory<byte> payload, int way, int maxDepth, int maxItems, out bool hasBinaryKeys)
    {
        (string Refusal, bool HasBinaryKeys) whole = Scan(new ReadOnlySequence<byte>(payload), maxDepth, maxItems);
        if (way != Slicing.Whole)
        {
            (string Refusal, bool HasBinaryKeys) sliced = Scan(Slicing.Segments(payload, way), maxDepth, maxItems);
            Invariant.Holds(whole == sliced, $"Whole it is '{whole}', in segments '{sliced}'.");
        }

        hasBinaryKeys = whole.HasBinaryKeys;
        bool isAccepted = whole.Refusal.Length == 0;
        var reference = new ReferenceMsgpack(payload.Span, maxDepth, maxItems);
        Invariant.Holds(reference.IsAccepted() == isAccepted, $"The reference says accepted: {!isAccepted}; the scanner says '{whole.Refusal}'.");
        if (!isAccepted)
            return false;
        Invariant.Holds(reference.HasBinaryKeys == hasBinaryKeys, "The scanner and the reference differ about keys that are BIN.");
        var reader = new Nerdbank.MessagePack.MessagePackReader(payload);
        reader.Skip(AnyDepth);
        Invariant.Holds(reader.End, "The scanner accepts what the serializer's reader finds more than one value in.");
        return true;
    }

    private static (string Refusal, bool HasBinaryKeys) Scan(ReadOnlySequence<byte> payload, int maxDepth, int maxItems)
        => MemoryBudget.Check((int)payload.Length, Factor, (payload, maxDepth, maxItems), static at =>
        {
            try
            {
                return ("", PayloadScanner.Scan(at.payload, at.maxDepth, at.maxItems));
            }
            catch (ProtocolException e)
            {
                bool isDeclared = e.Reason == CloseReason.MalformedPayload || e.Reason == CloseReason.DepthExceeded
                    || e.Reason == CloseReason.TooManyItems;
                Invariant.Holds(isDeclared, $"The scanner refuses with {e.Reason}.");
                return ($"{e.Reason}: {e.Message}", false);
            }
        });
}
