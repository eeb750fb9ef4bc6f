using System.Buffers;
using PacketMQ.Serialization;
using PolyType;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// A payload as a value of a type. The first byte chooses the type, the second the slicing. What the scanner accepts either becomes
/// a value or is refused as a <see cref="PayloadException"/>; a value writes, and what was written reads and writes the same again.
/// </summary>
internal static class TypedTarget
{
    /// <summary>
    /// What a type costs is its author's choice: only the dynamic values in it have a bound of their own. The worst of these types are dictionaries, whose
    /// entries of 24 bytes and more come from two bytes each and are copied while the dictionary grows.
    /// </summary>
    private const int Factor = 64;

    private static readonly Action<ReadOnlyMemory<byte>, int, bool>[] Shapes =
    [
        For(TypedCodec<FuzzPosition>.Create()),
        For(TypedCodec<FuzzPlayer>.Create()),
        For(TypedCodec<FuzzSettings>.Create()),
        For(TypedCodec<FuzzLoose>.Create()),
        For(TypedCodec<FuzzExtended>.Create()),
        For(TypedCodec<FuzzNumbers>.Create()),
        For(new TypedCodec<Dictionary<long, bool>>((ITypeShape<Dictionary<long, bool>>)FuzzWitness.GeneratedTypeShapeProvider.GetTypeShape(typeof(Dictionary<long, bool>))!)),
        For(TypedCodec<string>.Create()),
        For(TypedCodec<int>.Create()),
        For(TypedCodec<double>.Create()),
        For(TypedCodec<byte[]>.Create()),
        For(TypedCodec<ReadOnlyMemory<byte>?>.Create()),
        For(TypedCodec<string[]>.Create()),
        For(TypedCodec<Dictionary<string, string>>.Create()),
    ];

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        Action<ReadOnlyMemory<byte>, int, bool> shape = Shapes[input.Span[0] % Shapes.Length];
        int way = input.Span[1];
        input = input[2..];
        if (CheckedPayload.IsAccepted(input, Slicing.Whole, 64, 65_536, out bool hasBinaryKeys))
            shape(input, way, hasBinaryKeys);
    }

    private static Action<ReadOnlyMemory<byte>, int, bool> For<T>(TypedCodec<T> codec) => (payload, way, hasBinaryKeys) =>
    {
        (T? value, CloseReason? refusal) = Read(codec, new(payload), hasBinaryKeys);
        (T? sliced, CloseReason? slicedRefusal) = Read(codec, Slicing.Segments(payload, way), hasBinaryKeys);
        Invariant.Holds(refusal == slicedRefusal, $"Whole it is refused with {refusal}, in segments with {slicedRefusal}.");
        if (refusal is not null)
            return;

        ReadOnlyMemory<byte> written = Write(codec, value!);
        Invariant.Holds(written.Span.SequenceEqual(Write(codec, sliced!).Span), "In segments it reads as another value.");
        Invariant.Holds(CheckedPayload.IsAccepted(written, Slicing.Whole, 64, 65_536, out bool writtenBinaryKeys), "What was written is not accepted.");
        T again = codec.Read(new(written), writtenBinaryKeys);
        Invariant.Holds(written.Span.SequenceEqual(Write(codec, again).Span), "What was written reads as another value.");
    };

    private static (T? Value, CloseReason? Refusal) Read<T>(TypedCodec<T> codec, ReadOnlySequence<byte> payload, bool hasBinaryKeys)
        => MemoryBudget.Check<(TypedCodec<T> codec, ReadOnlySequence<byte> payload, bool hasBinaryKeys), (T?, CloseReason?)>((int)payload.Length, Factor, (codec, payload, hasBinaryKeys), static at =>
        {
            try
            {
                return (at.codec.Read(at.payload, at.hasBinaryKeys), (CloseReason?)null);
            }
            catch (PayloadException e)
            {
                Invariant.Holds(e.Reason == CloseReason.TypeMismatch || e.Reason == CloseReason.DuplicateKey || e.Reason == CloseReason.TooManyItems, $"It is refused with {e.Reason}.");
                return (default, e.Reason);
            }
        });

    private static ReadOnlyMemory<byte> Write<T>(TypedCodec<T> codec, T value)
    {
        var output = new ArrayBufferWriter<byte>(256);
        codec.Write(output, value);
        return output.WrittenMemory;
    }
}
