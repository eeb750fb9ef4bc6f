using System.Numerics;

namespace PacketMQ.Serialization;

/// <summary>
/// Finds keys in an array of pairs: one after the other in a short one, by hash in a long one. Then a slot is empty (0), or has in its lower
/// bits the place of a pair, from 1, and in the others those of the key's hash; a key lies in the first slot from its hash on that was free.
/// </summary>
internal readonly struct KeyIndex
{
    /// <summary>Up to so many pairs, comparing costs less than hashing.</summary>
    public const int MaxWithoutSlots = 8;

    private readonly int[]? _slots;

    /// <param name="pairs">The array that is filled, from its beginning on, while <see cref="TryAdd"/> is told of the keys.</param>
    public KeyIndex(KeyValuePair<object, object?>[] pairs)
    {
        Pairs = pairs;
        int slots = SlotsFor(pairs.Length);
        _slots = slots > 0 ? new int[slots] : null;
    }

    public KeyValuePair<object, object?>[] Pairs { get; }

    /// <summary>How many slots there are: a power of two of which at most three quarters are taken.</summary>
    public static int SlotsFor(int pairs)
        => pairs <= MaxWithoutSlots ? 0 : (int)BitOperations.RoundUpToPowerOf2((uint)(((4L * pairs) + 2) / 3));

    /// <summary>The place of a key among all pairs; below 0: there is no such key.</summary>
    public int IndexOf(object key) => _slots is null ? IndexAmongFirst(Pairs.Length, key) : Find(_slots, key, out _);

    /// <summary>Takes the key of the next pair. False: an earlier one has it.</summary>
    /// <param name="key">Looked at again later in <see cref="Pairs"/>, where it has to be by then.</param>
    /// <param name="place">How many were taken before.</param>
    public bool TryAdd(object key, int place)
    {
        if (_slots is null)
            return IndexAmongFirst(place, key) < 0;
        if (Find(_slots, key, out int free) >= 0)
            return false;
        _slots[free & (_slots.Length - 1)] = (free & -_slots.Length) | (place + 1);
        return true;
    }

    private int IndexAmongFirst(int count, object key)
    {
        KeyValuePair<object, object?>[] pairs = Pairs;
        for (int i = 0; i < count; i++)
        {
            if (DynamicKeyComparer.Instance.Equals(pairs[i].Key, key))
                return i;
        }

        return -1;
    }

    // If there is no such key, free is the slot where it would be, with its hash in the upper bits.
    private int Find(int[] slots, object key, out int free)
    {
        int hash = DynamicKeyComparer.Instance.GetHashCode(key);
        int mask = slots.Length - 1;
        for (int at = hash & mask; ; at = (at + 1) & mask)
        {
            int slot = slots[at];
            if (slot == 0)
            {
                free = (hash & ~mask) | at;
                return -1;
            }

            if (((slot ^ hash) & ~mask) == 0 && DynamicKeyComparer.Instance.Equals(Pairs[(slot & mask) - 1].Key, key))
            {
                free = 0;
                return (slot & mask) - 1;
            }
        }
    }
}
