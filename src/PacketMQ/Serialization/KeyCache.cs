using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Text;

namespace PacketMQ.Serialization;

/// <summary>
/// The last short keys of one payload: the records of a list have the same ones, and share the strings. A key that finds another in its
/// place takes it; nothing depends on which are found again but memory.
/// </summary>
[InlineArray(1 << Bits)]
internal struct KeyCache
{
    public const int MaxBytes = 32;
    private const int Bits = 5;

    private string? _first;

    /// <summary>The string of this UTF-8, if it is among the last ones and of ASCII only.</summary>
    /// <param name="utf8">2 to <see cref="MaxBytes"/> bytes.</param>
    /// <param name="place">Where it is, or belongs.</param>
    public readonly string? Find(ReadOnlySpan<byte> utf8, out int place)
    {
        place = PlaceOf(utf8);
        return this[place] is { } known && Ascii.Equals(utf8, known) ? known : null;
    }

    private static int PlaceOf(ReadOnlySpan<byte> utf8)
    {
        uint mixed = utf8.Length < sizeof(uint)
            ? utf8[0] | ((uint)utf8[1] << 8) | ((uint)utf8[^1] << 16)
            : BinaryPrimitives.ReadUInt32LittleEndian(utf8)
                ^ BitOperations.RotateLeft(BinaryPrimitives.ReadUInt32LittleEndian(utf8[^sizeof(uint)..]), 15);
        return (int)(((mixed + (uint)utf8.Length) * 0x9e37_79b1) >> (32 - Bits));
    }
}
