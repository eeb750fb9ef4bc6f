namespace PacketMQ.Fuzz.Targets;

/// <summary>Whether two dynamic values are the same to the bit: types, NaNs, signs of zero and the order of maps included.</summary>
internal static class DynamicEquality
{
    public static bool AreSame(object? one, object? other)
    {
        if (one is null || other is null)
            return one is null && other is null;
        if (one.GetType() != other.GetType())
            return false;
        return one switch
        {
            float number => BitConverter.SingleToInt32Bits(number) == BitConverter.SingleToInt32Bits((float)other),
            double number => BitConverter.DoubleToInt64Bits(number) == BitConverter.DoubleToInt64Bits((double)other),
            byte[] bytes => bytes.AsSpan().SequenceEqual((byte[])other),
            DateTime time => time == (DateTime)other && time.Kind == ((DateTime)other).Kind,
            object?[] items => SameItems(items, (object?[])other),
            PacketMap map => SameEntries(map, (PacketMap)other),
            _ => one.Equals(other),
        };
    }

    private static bool SameItems(object?[] one, object?[] other)
    {
        if (one.Length != other.Length)
            return false;
        for (int i = 0; i < one.Length; i++)
        {
            if (!AreSame(one[i], other[i]))
                return false;
        }

        return true;
    }

    private static bool SameEntries(PacketMap one, PacketMap other)
        => one.Count == other.Count
        && one.Zip(other).All(pair => AreSame(pair.First.Key, pair.Second.Key) && AreSame(pair.First.Value, pair.Second.Value))
        && one.Keys.All(other.ContainsKey);
}
