using System.Buffers.Binary;

namespace PacketMQ.Serialization;

/// <summary>The content of msgpack's timestamp, extension type -1: 32, 64 or 96 bits, of which the shortest that fits is sent.</summary>
internal static class Timestamp
{
    public const sbyte TypeCode = -1;

    public const int MaxLength = 12;
    private const int MaxNanoseconds = 999_999_999;
    private const long SecondsAbove64Bits = 1L << 34;
    private const long FirstSecond = -62_135_596_800;
    private const long LastSecond = 253_402_300_799;

    /// <summary>Whether a receiver takes the bytes for a timestamp at all.</summary>
    public static bool IsValid(ReadOnlySpan<byte> data) => data.Length is 4 or 8 or MaxLength && Nanoseconds(data) <= MaxNanoseconds;

    /// <summary>
    /// Only an instant that the same bytes would be sent for becomes a <see cref="DateTime"/>: whole 100 ns, years 1 to 9999, the
    /// shortest form. Nothing is ever rounded.
    /// </summary>
    public static bool TryGetDateTime(ReadOnlySpan<byte> data, out DateTime time)
    {
        time = default;
        if (!IsValid(data))
            return false;
        uint nanoseconds = Nanoseconds(data);
        long seconds = data.Length switch
        {
            4 => BinaryPrimitives.ReadUInt32BigEndian(data),
            8 => (long)(BinaryPrimitives.ReadUInt64BigEndian(data) & (SecondsAbove64Bits - 1)),
            _ => BinaryPrimitives.ReadInt64BigEndian(data[4..]),
        };
        if (data.Length != ShortestLength(seconds, nanoseconds) || nanoseconds % 100 != 0 || seconds is < FirstSecond or > LastSecond)
            return false;
        time = DateTime.UnixEpoch.AddTicks((seconds * TimeSpan.TicksPerSecond) + (nanoseconds / 100));
        return true;
    }

    private static int ShortestLength(long seconds, uint nanoseconds)
        => seconds is < 0 or >= SecondsAbove64Bits ? MaxLength : nanoseconds == 0 && seconds <= uint.MaxValue ? 4 : 8;

    private static uint Nanoseconds(ReadOnlySpan<byte> data) => data.Length switch
    {
        4 => 0,
        8 => (uint)(BinaryPrimitives.ReadUInt64BigEndian(data) >> 34),
        _ => BinaryPrimitives.ReadUInt32BigEndian(data),
    };
}
