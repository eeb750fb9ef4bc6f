using System.Buffers;
using PacketMQ.Serialization;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// A payload as a dynamic value. The first byte chooses the slicing, the second the limits. Reading allocates no more than was taken from its
/// allowance, which is at most 16 times the payload and 64 KiB, or nothing beside the 16 times. What the scanner accepts is read, in one
/// piece and in segments, to equal values; what was read is written in no more bytes than it came in, and reads as the same again.
/// </summary>
internal static class PayloadTarget
{
    private const int Factor = DynamicAllowance.DefaultExpansion;

    /// <summary>What the exception of a refusal allocates, with its message and trace, beside the objects that were made before.</summary>
    private const int RefusalBytes = 16_384;

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        int way = input.Span[0];
        bool isNarrow = (input.Span[1] & 1) != 0;
        bool isShown = (input.Span[1] & 2) != 0;
        // The fixed part of the allowance is more than most inputs can take, so that some of them get none of it.
        long fixedBytes = (input.Span[1] & 4) != 0 ? 0 : DynamicAllowance.FixedBytes;
        input = input[2..];
        if (!CheckedPayload.IsAccepted(input, way, isNarrow ? 3 : 64, isNarrow ? 8 : 65_536, out _))
            return;

        (object? value, CloseReason? refusal) = Read(new ReadOnlySequence<byte>(input), fixedBytes);
        (object? sliced, CloseReason? slicedRefusal) = Read(Slicing.Segments(input, way), fixedBytes);
        Invariant.Holds(refusal == slicedRefusal, $"Whole it is refused with {refusal}, in segments with {slicedRefusal}.");
        if (refusal is not null)
            return;
        Invariant.Holds(DynamicEquality.AreSame(value, sliced), "In segments it reads as another value.");

        var written = new ArrayBufferWriter<byte>(input.Length + 16);
        DynamicCodec.Write(written, value);
        Invariant.Holds(written.WrittenCount <= input.Length, $"It is written in {written.WrittenCount} bytes and came in {input.Length}.");
        Invariant.Holds(CheckedPayload.IsAccepted(written.WrittenMemory, Slicing.Whole, 64, 65_536, out _), "What was written is not accepted.");
        Invariant.Holds(DynamicEquality.AreSame(value, DynamicCodec.Read(new(written.WrittenMemory), maxExpansion: null)), "What was written reads as another value.");
        if (isShown)
            CheckText(ValueFormatter.Format(value, 200));
    }

    private static (object? Value, CloseReason? Refusal) Read(ReadOnlySequence<byte> payload, long fixedBytes)
    {
        (object? value, CloseReason? refusal, long taken, long allocated) = Measured(payload, fixedBytes);
        for (int attempt = 1; attempt < MemoryBudget.Attempts && allocated > Allowed(taken, refusal); attempt++)
            (value, refusal, taken, allocated) = Measured(payload, fixedBytes);
        Invariant.Holds(taken <= (Factor * payload.Length) + fixedBytes || refusal is not null, $"{taken} bytes were let in for {payload.Length}.");
        Invariant.Holds(allocated <= Allowed(taken, refusal), $"{allocated} bytes were allocated for {payload.Length}, and {taken} taken for them.");
        return (value, refusal);
    }

    private static long Allowed(long taken, CloseReason? refusal) => taken + (refusal is null ? 0 : RefusalBytes);

    private static (object? Value, CloseReason? Refusal, long Taken, long Allocated) Measured(ReadOnlySequence<byte> payload, long fixedBytes)
    {
        var allowance = new DynamicAllowance(payload.Length, Factor, fixedBytes: fixedBytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        object? value = null;
        PayloadException? refusal = null;
        try
        {
            value = DynamicCodec.Read(payload, ref allowance);
        }
        catch (PayloadException e)
        {
            refusal = e;
        }

        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (refusal is not null)
        {
            Invariant.Holds(refusal.InnerException is null, $"The dynamic reader met an exception that it does not know: {refusal.InnerException}");
            Invariant.Holds(
                refusal.Reason == CloseReason.TypeMismatch || refusal.Reason == CloseReason.DuplicateKey || refusal.Reason == CloseReason.TooManyItems,
                $"It is refused with {refusal.Reason}.");
            CheckText(refusal.Message);
        }

        return (value, refusal?.Reason, allowance.Taken, allocated);
    }

    private static void CheckText(string text)
    {
        Invariant.Holds(text.Length <= 1_024, $"A text for people has {text.Length} characters.");
        foreach (char c in text)
            Invariant.Holds(!char.IsControl(c), "A text for people has a control character.");
    }
}
