namespace PacketMQ;

/// <summary>
/// A msgpack extension value: a type code and bytes, neither of which this library interprets. Dynamic values use it for every
/// extension but the timestamps that a <see cref="DateTime"/> holds exactly. Two of them are equal when code and bytes are.
/// </summary>
/// <remarks>
/// A Python packetmq peer on u-msgpack 2.1 drops the connection when it receives a code below 0, or any extension as a map's key.
/// </remarks>
/// <param name="TypeCode">
/// What the bytes are. 0 to 127 belong to applications, -128 to -1 to msgpack itself: -1 is the timestamp, and it is sent only with
/// 4, 8 or 12 bytes of <paramref name="Data"/> and at most 999 999 999 nanoseconds in them.
/// </param>
/// <param name="Data">The content, without msgpack's header. A received one is a copy that nobody else holds.</param>
public readonly record struct PacketExtension(sbyte TypeCode, ReadOnlyMemory<byte> Data)
{
    /// <summary>Whether code and bytes are equal.</summary>
    /// <param name="other">The value to compare with.</param>
    public bool Equals(PacketExtension other) => TypeCode == other.TypeCode && Data.Span.SequenceEqual(other.Data.Span);

    /// <summary>A hash of the code and all bytes; it differs from process to process, so that a peer can't aim at collisions.</summary>
    public override int GetHashCode() => HashCode.Combine(TypeCode, Serialization.SeededHash.Of(Data.Span));

    /// <summary>The code and the first bytes in hexadecimal digits, such as <c>ext(5, h'0a0b')</c>.</summary>
    public override string ToString() => Serialization.ValueFormatter.Format(this);
}
