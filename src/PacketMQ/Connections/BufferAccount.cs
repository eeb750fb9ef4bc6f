using System.Buffers;

namespace PacketMQ.Connections;

/// <summary>
/// The pool of all connections, as one of them sees it: it counts what the connection holds. Arrays of <see cref="Uncounted"/> bytes and
/// less, which an idle connection takes and gives back for every packet, cost nothing and are not counted.
/// </summary>
/// <param name="budget">Where it counts to.</param>
/// <param name="owner">Whom it belongs to.</param>
internal class BufferAccount(BufferBudget budget, IBufferOwner owner) : ArrayPool<byte>
{
    public const int Uncounted = 4 * 1024;

    private SpinGate _gate;
    private long _held;
    private bool _isKnown;
    private bool _isClosed;

    /// <summary>How many bytes the connection holds.</summary>
    public long Held => Interlocked.Read(ref _held);

    public bool IsEvicted { get; private set; }

    public override byte[] Rent(int minimumLength)
    {
        byte[] array = BufferPool.Connections.Rent(minimumLength);
        if (array.Length > Uncounted)
            Add(array.Length);
        return array;
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        if (array.Length > Uncounted)
            Add(-array.Length);
        BufferPool.Connections.Return(array, clearArray);
    }

    /// <summary>Counts bytes that do not come from the pool.</summary>
    public void Add(long change)
    {
        using (_gate.Hold())
        {
            if (_isClosed)
                return;
            bool isFirst = !_isKnown;
            _isKnown = true;
            _held += change;
            budget.Count(this, change, isFirst);
        }
    }

    /// <summary>Called before more is taken, by who holds no gate.</summary>
    public void RelieveBudget() => budget.RelieveNow();

    public void Evict()
    {
        owner.Evict();
        IsEvicted = true; // then, so that whoever sees it finds the end decided
    }

    /// <summary>The connection has ended: whatever it did not give back is garbage, and counts no more.</summary>
    public void Close()
    {
        using (_gate.Hold())
        {
            if (_isClosed)
                return;
            _isClosed = true;
            if (_isKnown)
                budget.Count(this, -_held, isFirst: false);
            _held = 0;
        }

        budget.Forget(this);
    }
}
