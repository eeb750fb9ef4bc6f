namespace PacketMQ.Serialization;

/// <summary>A map of any number of pairs.</summary>
/// <param name="index">Has all of their keys.</param>
internal sealed class PairsMap(KeyIndex index) : PacketMap
{
    public override int Count => index.Pairs.Length;

    internal override KeyValuePair<object, object?> PairAt(int place) => index.Pairs[place];

    internal override int IndexOf(object key) => index.IndexOf(key);
}
