using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;

namespace PacketMQ.Connections;

/// <summary>
/// The arrays of all connections of the process. What a thousand connections hold for a moment, and give back, is kept for the next moment;
/// <see cref="ArrayPool{T}.Shared"/> keeps some dozens of each size, so that a burst over many connections would allocate most of it anew.
/// It keeps arrays by bytes, <see cref="KeptBytes"/> at most, and half of them go at each collection of the oldest generation.
/// </summary>
internal sealed class BufferPool : ArrayPool<byte>
{
    public const int KeptBytes = 32 * 1024 * 1024;
    public const int SmallestArray = 1 << SmallestShift;
    public const int LargestArray = 1 << LargestShift;
    private const int SmallestShift = 12;
    private const int LargestShift = 20;

    private readonly Stack<byte[]>[] _bySize = [.. Enumerable.Range(SmallestShift, LargestShift - SmallestShift + 1).Select(_ => new Stack<byte[]>())];
    private SpinGate _gate;
    private int _kept;
    private long _lent;
    private long _mostLent;

    /// <summary>The one that connections use.</summary>
    public static BufferPool Connections { get; } = CreateTrimmed();

    /// <summary>How many bytes wait to be rented.</summary>
    public int Kept => Volatile.Read(ref _kept);

    /// <summary>The most bytes that were out at once since <see cref="BeginMost"/>, beyond those that were out then.</summary>
    public long MostLent => Volatile.Read(ref _mostLent);

    /// <summary>From here on <see cref="MostLent"/> counts.</summary>
    public void BeginMost()
    {
        using (_gate.Hold())
            _lent = _mostLent = 0;
    }

    /// <summary>A pool that lets half of what it keeps go at each collection of the oldest generation.</summary>
    public static BufferPool CreateTrimmed()
    {
        var pool = new BufferPool();
        _ = new Trimming(pool);
        return pool;
    }

    public override byte[] Rent(int minimumLength)
    {
        if (minimumLength is <= 0 or > LargestArray)
            return Shared.Rent(minimumLength);
        int shift = Math.Max(SmallestShift, BitOperations.Log2((uint)(minimumLength - 1)) + 1);
        using (_gate.Hold())
        {
            _lent += 1 << shift;
            _mostLent = Math.Max(_mostLent, _lent);
            if (_bySize[shift - SmallestShift].TryPop(out byte[]? array))
            {
                _kept -= array.Length;
                return array;
            }
        }

        return GC.AllocateUninitializedArray<byte>(1 << shift);
    }

    public override void Return(byte[] array, bool clearArray = false)
    {
        int length = array.Length;
        if (length is < SmallestArray or > LargestArray || !BitOperations.IsPow2(length))
        {
            Shared.Return(array, clearArray);
            return;
        }

        if (clearArray)
            array.AsSpan().Clear();
        using (_gate.Hold())
        {
            _lent = Math.Max(0, _lent - length); // what was out before may come back
            if (_kept + length > KeptBytes)
                return;
            _bySize[BitOperations.Log2((uint)length) - SmallestShift].Push(array);
            _kept += length;
        }
    }

    /// <summary>
    /// Lets half of what waits go, the larger half of an odd number. It allocates nothing: the finalizer calls it, when memory may be all
    /// gone, and an exception there ends the process.
    /// </summary>
    public void Trim()
    {
        using (_gate.Hold())
        {
            foreach (Stack<byte[]> arrays in _bySize)
            {
                for (int going = (arrays.Count + 1) / 2; going > 0; going--)
                    _kept -= arrays.Pop().Length;
            }
        }
    }

    // Its finalizer runs after each collection that reaches it, and it soon lives in the oldest generation.
    private sealed class Trimming(BufferPool pool)
    {
        // Not a WeakReference, which would be finalized together with this.
        private WeakGCHandle<BufferPool> _pool = new(pool);

        ~Trimming()
        {
            if (_pool.TryGetTarget(out BufferPool? pool))
            {
                pool.Trim();
                GC.ReRegisterForFinalize(this);
            }
            else
            {
                _pool.Dispose();
            }
        }
    }
}
