using System.Buffers;
using PacketMQ.Serialization;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// A payload as a dynamic value. The first byte chooses the slicing, the second the limits. What the scanner accepts is read, in one
/// piece and in segments, to equal values; what was read is written in no more bytes than it came in, and reads as the same again.
/// </summary>
internal static class PayloadTarget
{
    /// <summary>Two bytes can be a map with a key and a map in it, and the smallest dictionary with an entry has 216 bytes.</summary>
    private const int Factor = 112;

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        int way = input.Span[0];
        bool isNarrow = (input.Span[1] & 1) != 0;
        bool isShown = (input.Span[1] & 2) != 0;
        input = input[2..];
        if (!CheckedPayload.IsAccepted(input, way, isNarrow ? 3 : 64, isNarrow ? 8 : 65_536, out _))
            return;

        (object? value, CloseReason? refusal) = Read(new ReadOnlySequence<byte>(input));
        (object? sliced, CloseReason? slicedRefusal) = Read(Slicing.Segments(input, way));
        Invariant.Holds(refusal == slicedRefusal, $"Whole it is refused with {refusal}, in segments with {slicedRefusal}.");
        if (refusal is not null)
            return;
        Invariant.Holds(DynamicEquality.AreSame(value, sliced), "In segments it reads as another value.");

        var written = new ArrayBufferWriter<byte>(input.Length + 16);
        DynamicCodec.Write(written, value);
        Invariant.Holds(written.WrittenCount <= input.Length, $"It is written in {written.WrittenCount} bytes and came in {input.Length}.");
        Invariant.Holds(CheckedPayload.IsAccepted(written.WrittenMemory, Slicing.Whole, 64, 65_536, out _), "What was written is not accepted.");
        Invariant.Holds(DynamicEquality.AreSame(value, DynamicCodec.Read(new(written.WrittenMemory))), "What was written reads as another value.");
        if (isShown)
            CheckText(ValueFormatter.Format(value, 200));
    }

    private static (object? Value, CloseReason? Refusal) Read(ReadOnlySequence<byte> payload)
        => MemoryBudget.Check((int)payload.Length, Factor, payload, static payload =>
        {
            try
            {
                return (DynamicCodec.Read(payload), (CloseReason?)null);
            }
            catch (PayloadException e)
            {
                Invariant.Holds(e.InnerException is null, $"The dynamic reader met an exception that it does not know: {e.InnerException}");
                Invariant.Holds(e.Reason == CloseReason.TypeMismatch || e.Reason == CloseReason.DuplicateKey, $"It is refused with {e.Reason}.");
                CheckText(e.Message);
                return (null, e.Reason);
            }
        });

    private static void CheckText(string text)
    {
        Invariant.Holds(text.Length <= 1_024, $"A text for people has {text.Length} characters.");
        foreach (char c in text)
            Invariant.Holds(!char.IsControl(c), "A text for people has a control character.");
    }
}
