using System.Buffers;
using System.Collections.Concurrent;

namespace PacketMQ.Tests.Transports;

/// <summary>Counts what is lent out, refuses what it did not lend, and spoils what comes back, so that a use after it shows.</summary>
internal sealed class PoisoningPool : ArrayPool<byte>
{
    private readonly ConcurrentDictionary<byte[], bool> _lent = new(ReferenceEqualityComparer.Instance);
    private int _rents;

    public int Lent => _lent.Count;

    public long LentBytes => _lent.Keys.Sum(array => (long)array.Length);

    public int Rents => Volatile.Read(ref _rents);

    public override byte[] Rent(int minimumLength)
    {
        Interlocked.Increment(ref _rents);
        byte[] array = new byte[minimumLength];
        _lent[array] = true;
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        if (!_lent.TryRemove(array, out _))
            throw new InvalidOperationException("Returned twice, or not ours.");
        array.AsSpan().Fill(0xEE);
    }
}
