namespace PacketMQ.Serialization;

/// <summary>The keys of one map that is being written, as its receiver will compare them.</summary>
internal struct DistinctKeys
{
    private HashSet<object>? _keys;

    public bool Add(object key)
    {
        _keys ??= new HashSet<object>(DynamicKeyComparer.Instance);
        return _keys.Add(key);
    }
}
