using System.Collections;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using PacketMQ.Serialization;

namespace PacketMQ;

/// <summary>
/// What a map in dynamic data arrives as: read-only, in the order of arrival. An integer is found by its number whatever its type
/// (<c>map[123]</c>), a string also under the BIN key with its UTF-8, a float by its value: see <see cref="KeyComparer"/>. A mutable copy is
/// <c>new Dictionary&lt;object, object?&gt;(map, PacketMap.KeyComparer)</c>.
/// </summary>
/// <remarks>
/// It never changes, so any number of threads may read it; what its values hold is as mutable as it is. Two maps are equal only when they are
/// the same object. It takes less memory than a dictionary: 32 bytes with one pair, 48 with two, about 24 for each pair of a large one.
/// </remarks>
[DebuggerDisplay("Count = {Count}")]
[DebuggerTypeProxy(typeof(DebugView))]
[SuppressMessage("Naming", "CA1710:Identifiers should have correct suffix", Justification = "msgpack calls it a map.")]
public abstract class PacketMap : IReadOnlyDictionary<object, object?>
{
    private protected PacketMap()
    {
    }

    /// <summary>The map without pairs.</summary>
    public static PacketMap Empty { get; } = new PairsMap(new KeyIndex([]));

    /// <summary>
    /// Which keys are the same: integers of equal number, floats and doubles of equal value, strings and bytes of equal UTF-8, times of the same
    /// instant, extensions of equal code and bytes. Its hash codes can't be predicted, so that chosen keys do not collide.
    /// </summary>
    public static IEqualityComparer<object> KeyComparer => DynamicKeyComparer.Instance;

    /// <summary>How many pairs it has.</summary>
    public abstract int Count { get; }

    /// <summary>The keys in the order of arrival.</summary>
    public IEnumerable<object> Keys
    {
        get
        {
            foreach ((object key, _) in this)
                yield return key;
        }
    }

    /// <summary>The values in the order of arrival.</summary>
    public IEnumerable<object?> Values
    {
        get
        {
            foreach ((_, object? value) in this)
                yield return value;
        }
    }

    /// <summary>The value under a key.</summary>
    /// <param name="key">Not null.</param>
    /// <exception cref="KeyNotFoundException">There is no such key; the message shows it, escaped.</exception>
    public object? this[object key]
        => TryGetValue(key, out object? value) ? value : throw new KeyNotFoundException($"The map has no key {ValueFormatter.Format(key, 256)}.");

    /// <summary>Makes a map such as arrives, for tests and for handlers that are called without a connection.</summary>
    /// <param name="pairs">They keep their order. The map does not change with them; keys and values are not copied.</param>
    /// <exception cref="ArgumentException">A key is null, or equal to another one.</exception>
    public static PacketMap Create(IEnumerable<KeyValuePair<object, object?>> pairs)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        KeyValuePair<object, object?>[] all = [.. pairs];
        var index = new KeyIndex(all);
        for (int i = 0; i < all.Length; i++)
        {
            if (all[i].Key is not { } key)
                throw new ArgumentException("A map's key is null.", nameof(pairs));
            if (!index.TryAdd(key, i))
                throw new ArgumentException($"A map has the key {ValueFormatter.Format(key, 256)} twice.", nameof(pairs));
        }

        return all.Length switch
        {
            0 => Empty,
            1 => new SinglePairMap(all[0].Key, all[0].Value),
            2 => new TwoPairsMap(all[0], all[1]),
            _ => new PairsMap(index),
        };
    }

    /// <summary>Whether there is a value under a key.</summary>
    /// <param name="key">Not null.</param>
    public bool ContainsKey(object key) => TryGetValue(key, out _);

    /// <summary>Looks for the value under a key.</summary>
    /// <param name="key">Not null.</param>
    /// <param name="value">The value; null if there is no such key, or it stands there.</param>
    public bool TryGetValue(object key, out object? value)
    {
        ArgumentNullException.ThrowIfNull(key);
        int index = IndexOf(key);
        value = index < 0 ? null : PairAt(index).Value;
        return index >= 0;
    }

    /// <summary>Walks over the pairs in the order of arrival, without allocating.</summary>
    public Enumerator GetEnumerator() => new(this);

    IEnumerator<KeyValuePair<object, object?>> IEnumerable<KeyValuePair<object, object?>>.GetEnumerator() => GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The map as one line for people, such as <c>{"foo": "bar", 123: null}</c>, cut after 4 096 characters.</summary>
    public override string ToString() => ValueFormatter.Format(this);

    /// <summary>The pair at a place from 0 on.</summary>
    internal abstract KeyValuePair<object, object?> PairAt(int index);

    /// <summary>The place of a key; below 0: there is no such key.</summary>
    internal abstract int IndexOf(object key);

    /// <summary>A walk over the pairs.</summary>
    public struct Enumerator : IEnumerator<KeyValuePair<object, object?>>
    {
        private readonly PacketMap _map;
        private int _index;

        internal Enumerator(PacketMap map) => (_map, _index) = (map, -1);

        /// <inheritdoc/>
        public readonly KeyValuePair<object, object?> Current => _map.PairAt(_index);

        readonly object IEnumerator.Current => Current;

        /// <inheritdoc/>
        public bool MoveNext() => ++_index < _map.Count;

        /// <inheritdoc/>
        public void Reset() => _index = -1;

        /// <inheritdoc/>
        public readonly void Dispose()
        {
        }
    }

    private sealed class DebugView(PacketMap map)
    {
        [DebuggerBrowsable(DebuggerBrowsableState.RootHidden)]
        public KeyValuePair<object, object?>[] Pairs { get; } = [.. map];
    }
}
