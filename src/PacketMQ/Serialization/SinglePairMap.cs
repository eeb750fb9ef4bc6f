namespace PacketMQ.Serialization;

/// <summary>A map of one pair, which is what lists of small records and nested maps are made of.</summary>
internal sealed class SinglePairMap(object key, object? value) : PacketMap
{
    public override int Count => 1;

    internal override KeyValuePair<object, object?> PairAt(int index)
        => index == 0 ? new(key, value) : throw new ArgumentOutOfRangeException(nameof(index));

    internal override int IndexOf(object wanted) => DynamicKeyComparer.Instance.Equals(key, wanted) ? 0 : -1;
}
