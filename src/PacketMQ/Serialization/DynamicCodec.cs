using System.Buffers;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>
/// Dynamic values, which are plain objects, to payload bytes and back. Integers go out in their shortest form, everything else in
/// the type it has, maps in their own order; so what was read writes the same bytes again if they were in their shortest form.
/// </summary>
internal static class DynamicCodec
{
    /// <summary>How deep a payload may nest at most, whatever the options say: the top of <see cref="PeerOptions.MaxDepth"/>.</summary>
    public const int MaxDepth = 256;

    /// <summary>Writes one msgpack value.</summary>
    /// <param name="output">Where the bytes go. When this throws, it may hold a part of them.</param>
    /// <param name="value">What <see cref="DynamicWriter"/> allows.</param>
    /// <param name="maxDepth">How many arrays and maps may be around a value, 1 to <see cref="MaxDepth"/>; cycles end here.</param>
    /// <exception cref="PacketException">Something in <paramref name="value"/> can't be sent, or reading it failed.</exception>
    public static void Write(IBufferWriter<byte> output, object? value, int maxDepth = 64)
    {
        var writer = new MessagePackWriter(output);
        DynamicWriter.Write(ref writer, value, maxDepth);
        writer.Flush();
    }

    /// <summary>Reads the one msgpack value that the payload is. The result shares no memory with the payload.</summary>
    /// <param name="payload">The value's bytes.</param>
    /// <param name="maxExpansion">How many times these, and 64 KiB, the objects may take; null: unlimited.</param>
    /// <param name="budget">What they count to as well, if anything.</param>
    /// <returns>
    /// <see langword="null"/>, <see cref="bool"/>, <see cref="long"/> (<see cref="ulong"/> where that is too small),
    /// <see cref="float"/>, <see cref="double"/>, <see cref="string"/>, <c>byte[]</c>, <c>object?[]</c>,
    /// <see cref="PacketMap"/>, <see cref="DateTime"/> in UTC or <see cref="PacketExtension"/>.
    /// </returns>
    /// <exception cref="PayloadException">A map has a key twice, or one that can't be a key; the objects would take too much, or the budget wants no more.</exception>
    public static object? Read(in ReadOnlySequence<byte> payload, int? maxExpansion = DynamicAllowance.DefaultExpansion, IObjectBudget? budget = null)
    {
        var allowance = new DynamicAllowance(payload.Length, maxExpansion, budget);
        return Read(payload, ref allowance);
    }

    /// <inheritdoc cref="Read(in ReadOnlySequence{byte}, int?, IObjectBudget?)"/>
    public static object? Read(in ReadOnlySequence<byte> payload, ref DynamicAllowance allowance)
    {
        var reader = new MessagePackReader(payload);
        var values = new DynamicReader(allowance);
        object? value;
        try
        {
            value = values.Read(ref reader, MaxDepth);
        }
        finally
        {
            allowance = values.Allowance;
        }

        return reader.End
            ? value
            : throw new PayloadException(CloseReason.TypeMismatch, $"The value ends at byte {reader.Consumed} of the payload's {payload.Length}.");
    }
}
