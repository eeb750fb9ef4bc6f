using CsCheck;

namespace PacketMQ.Tests.Serialization;

/// <summary>Generated dynamic values in the very types that decoding gives, and their comparison by type and content.</summary>
internal static class DynamicValues
{
    private static readonly Gen<long> Integer = Gen.OneOf(
        Gen.Long, Gen.Int.Select(i => (long)i), Gen.SByte.Select(i => (long)i), Gen.UInt.Select(i => (long)i), Gen.Short.Select(i => (long)i));

    // Whole strings only: half of a surrogate pair is refused, and has its own test.
    private static readonly Gen<string> Text = Gen.Frequency(
        (4, Gen.String[Gen.Char['\0', '\ud7ff'], 0, 40]),
        (1, Gen.String[Gen.Char['a', 'z'], 200, 300]),
        (1, Gen.Const("\U0001f600")));

    private static readonly Gen<DateTime> Time = Gen.OneOf(
        Gen.Long[0, DateTime.MaxValue.Ticks].Select(ticks => new DateTime(ticks, DateTimeKind.Utc)),
        Gen.UInt.Select(seconds => DateTime.UnixEpoch.AddSeconds(seconds)));

    private static readonly Gen<PacketExtension> Extension =
        Gen.Select(Gen.SByte, Gen.Byte.Array[0, 20], (code, data) => new PacketExtension(code == -1 ? (sbyte)1 : code, data));

    private static readonly Gen<object> Key = Gen.OneOf<object>(
        Gen.Bool.Select(Box), Integer.Select(Box), Gen.Float.Select(Box), Gen.Double.Select(Box), Text.Select(Box),
        Gen.Byte.Array[0, 40].Select(Box), Time.Select(Box), Extension.Select(Box));

    private static readonly Gen<object?> Scalar = Gen.Frequency<object?>(
        (9, Key.Select(key => (object?)key)),
        (1, Gen.Const((object?)null)),
        (1, Gen.ULong[(ulong)long.MaxValue + 1, ulong.MaxValue].Select(i => (object?)i)));

    public static readonly Gen<object?> Any = Gen.Recursive<object?>((depth, value) => depth > 3
        ? Scalar
        : Gen.Frequency(
            (3, Scalar),
            (1, value.Array[0, 6].Select(items => (object?)items)),
            (1, Gen.Select(Key, value).Array[0, 6].Select(Map))));

    public static bool AreSame(object? x, object? y)
    {
        if (x is null || y is null)
            return x is null && y is null;
        if (x.GetType() != y.GetType())
            return false;
        return (x, y) switch
        {
            (byte[] a, byte[] b) => a.AsSpan().SequenceEqual(b),
            (object?[] a, object?[] b) => a.Length == b.Length && a.Zip(b).All(pair => AreSame(pair.First, pair.Second)),
            (PacketMap a, PacketMap b) => a.Count == b.Count
                && a.Zip(b).All(pair => AreSame(pair.First.Key, pair.Second.Key) && AreSame(pair.First.Value, pair.Second.Value)),
            (double a, double b) => BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b),
            (float a, float b) => BitConverter.SingleToInt32Bits(a) == BitConverter.SingleToInt32Bits(b),
            (DateTime a, DateTime b) => a == b && a.Kind == b.Kind,
            _ => x.Equals(y),
        };
    }

    private static object? Map((object Key, object? Value)[] entries)
    {
        var pairs = new Dictionary<object, object?>(PacketMap.KeyComparer);
        foreach ((object key, object? value) in entries)
            pairs[key] = value;
        return PacketMap.Create(pairs);
    }

    private static object Box<T>(T value)
        where T : notnull => value;
}
