namespace PacketMQ.Serialization;

/// <summary>A map of two pairs: 48 bytes, where an array of them would come to 88.</summary>
internal sealed class TwoPairsMap(KeyValuePair<object, object?> first, KeyValuePair<object, object?> second) : PacketMap
{
    public override int Count => 2;

    internal override KeyValuePair<object, object?> PairAt(int index) => index switch
    {
        0 => first,
        1 => second,
        _ => throw new ArgumentOutOfRangeException(nameof(index)),
    };

    internal override int IndexOf(object wanted)
        => DynamicKeyComparer.Instance.Equals(first.Key, wanted) ? 0 : DynamicKeyComparer.Instance.Equals(second.Key, wanted) ? 1 : -1;
}
