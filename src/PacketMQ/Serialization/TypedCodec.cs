using System.Buffers;
using System.Runtime.CompilerServices;
using Nerdbank.MessagePack;
using PolyType;
using PolyType.Abstractions;

namespace PacketMQ.Serialization;

/// <summary>Values of one type to payload bytes and back. Has no state: one serves all connections and threads.</summary>
/// <remarks>
/// The serializer's own limits: 64 levels of arrays and maps, whatever <see cref="PeerOptions.MaxDepth"/> says; and a nil where a
/// struct is nested in the type becomes that struct's default value.
/// </remarks>
internal sealed class TypedCodec<T>
{
    /// <summary><see cref="Nullable{T}"/> says that null may come. A class can't: at run time <c>string?</c> is <c>string</c>.</summary>
    private static readonly bool AllowsNull = default(T) is null && typeof(T).IsValueType;

    private readonly ITypeShape<T> _shape;

    public TypedCodec(ITypeShape<T> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        _shape = shape;
    }

    /// <summary>Uses the shape that the source generator made for the type, or one of <see cref="BuiltInShapes"/>.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public static TypedCodec<T> Create() => new(
        TypeShapeResolver.ResolveDynamic<T>()
        ?? (ITypeShape<T>?)BuiltInShapes.GeneratedTypeShapeProvider.GetTypeShape(typeof(T))
        ?? throw new NotSupportedException(
            $"The shape of {typeof(T)} is not known. Make the type partial and put [GenerateShape] of PolyType on it, or give the "
            + "packet a shape from a class of your own with [GenerateShapeFor<...>]."));

    /// <param name="output">Where the bytes go. When this throws, it may hold a part of them.</param>
    /// <param name="value">Not null, unless the type is a nullable struct.</param>
    /// <exception cref="PacketException">The value, or something in it, can't be encoded.</exception>
    public void Write(IBufferWriter<byte> output, in T value)
    {
        if (value is null && !AllowsNull)
            throw new PacketException($"Null can't be sent where a {typeof(T)} is expected.");
        try
        {
            var writer = new MessagePackWriter(output);
            PayloadSerializer.Instance.Serialize(ref writer, value, _shape);
            writer.Flush();
        }
        catch (Exception e) when (Cause(e) is not OutOfMemoryException)
        {
            throw new PacketException($"A {typeof(T)} can't be encoded: {Describe(e)}", e);
        }
    }

    /// <param name="payload">One well-formed msgpack value. It is not changed, and the result shares no memory with it.</param>
    /// <param name="hasBinaryKeys">Whether some map in it has a BIN key; then the payload is read from a copy with STR in their place.</param>
    /// <param name="maxExpansion">How many times the payload's bytes, and 64 KiB, all dynamic values in it may take as objects; null: unlimited.</param>
    /// <param name="budget">What these count to as well, if anything. The objects of the type itself do not: nobody knows their size.</param>
    /// <exception cref="PayloadException">The payload does not fit the type, a field came twice, or dynamic values would take too much.</exception>
    public T Read(
        in ReadOnlySequence<byte> payload, bool hasBinaryKeys, int? maxExpansion = DynamicAllowance.DefaultExpansion, IObjectBudget? budget = null)
    {
        try
        {
            // Some of the serializer's converters check less when a value lies across segments (a Guid that is too short, text behind a
            // decimal's digits), and how the network cut a payload must not decide what it is.
            return hasBinaryKeys || !payload.IsSingleSegment
                ? DecodeCopy(payload, hasBinaryKeys, maxExpansion, budget)
                : Decode(payload, maxExpansion, budget);
        }
        catch (Exception e) when (e is not PayloadException && Cause(e) is not OutOfMemoryException)
        {
            throw Refusal(e, payload, maxExpansion, budget);
        }
    }

    private T DecodeCopy(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, int? maxExpansion, IObjectBudget? budget)
    {
        int length = checked((int)payload.Length);
        byte[] copy = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            payload.CopyTo(copy);
            if (hasBinaryKeys)
                BinaryKeys.ToText(copy.AsSpan(0, length));
            return Decode(new ReadOnlySequence<byte>(copy, 0, length), maxExpansion, budget);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private T Decode(in ReadOnlySequence<byte> payload, int? maxExpansion, IObjectBudget? budget)
    {
        var reader = new MessagePackReader(payload);
        // A struct would silently become its default value.
        if (reader.IsNil && !AllowsNull)
            throw new PayloadException(CloseReason.TypeMismatch, $"A payload is nil where a {typeof(T)} is expected.");
        T? value = Deserialize(ref reader, payload.Length, maxExpansion, budget);
        if (!reader.End)
        {
            throw new PayloadException(
                CloseReason.TypeMismatch, $"A {typeof(T)} ends at byte {reader.Consumed} of the payload's {payload.Length}.");
        }

        return value is null && !AllowsNull
            ? throw new PayloadException(CloseReason.TypeMismatch, $"A payload became null where a {typeof(T)} is expected.")
            : value!;
    }

    private T? Deserialize(ref MessagePackReader reader, long payloadBytes, int? maxExpansion, IObjectBudget? budget)
    {
        // No dynamic value fits into a struct without references.
        if (!RuntimeHelpers.IsReferenceOrContainsReferences<T>())
            return PayloadSerializer.Instance.Deserialize(ref reader, _shape);
        TypedAllowance allowance = TypedAllowance.Begin(payloadBytes, maxExpansion, budget);
        try
        {
            return PayloadSerializer.Instance.Deserialize(ref reader, _shape);
        }
        finally
        {
            allowance.End();
        }
    }

    private static PayloadException Refusal(Exception e, in ReadOnlySequence<byte> payload, int? maxExpansion, IObjectBudget? budget)
    {
        CloseReason reason = Cause(e) switch
        {
            PayloadException inner => inner.Reason,
            MessagePackSerializationException { Code: MessagePackSerializationException.ErrorCode.DoublePropertyAssignment } => CloseReason.DuplicateKey,
            // A dictionary that refuses its second equal key, or a user's constructor that refuses something else: only the payload tells.
            ArgumentException when HasDuplicateKey(payload, maxExpansion, budget) => CloseReason.DuplicateKey,
            _ => CloseReason.TypeMismatch,
        };
        return new PayloadException(reason, $"A payload can't become a {typeof(T)}: {Describe(e)}", e);
    }

    private static bool HasDuplicateKey(in ReadOnlySequence<byte> payload, int? maxExpansion, IObjectBudget? budget)
    {
        try
        {
            DynamicCodec.Read(payload, maxExpansion, budget);
            return false;
        }
        catch (PayloadException e)
        {
            return e.Reason == CloseReason.DuplicateKey;
        }
    }

    /// <summary>The innermost exception, because those around it only say that something failed; or one of ours, which says it best.</summary>
    private static Exception Cause(Exception e)
    {
        while (e.InnerException is not null && e is not (PayloadException or PacketException))
            e = e.InnerException;
        return e;
    }

    /// <summary>Which member it was, if the serializer says so directly around the cause, and what.</summary>
    private static string Describe(Exception e)
    {
        Exception cause = Cause(e);
        Exception around = e;
        while (around != cause && around.InnerException != cause)
            around = around.InnerException!;
        // The outermost one only says that an error occurred.
        string member = around != cause && around != e && around is MessagePackSerializationException ? $"{around.Message} " : "";
        return PrintableText.Escape(member + cause.Message, 512);
    }
}
