using System.Collections.Concurrent;

namespace PacketMQ.Connections;

/// <summary>
/// Writes what the senders of a burst left: one pool thread walks the queues that have something to write, one batch each, and comes again to
/// those that still grow. While it is at the others, more gathers in each queue, so a burst to many connections leaves in few writes.
/// </summary>
internal sealed class Flusher : IThreadPoolWorkItem
{
    // One flusher saturates about one core with system calls, so larger machines get more; a queue stays with its own, and keeps one byte of it.
    private static readonly Flusher[] All = [.. Enumerable.Range(0, Math.Clamp(Environment.ProcessorCount / 2, 1, byte.MaxValue)).Select(_ => new Flusher())];
    private static int _next;

    // How often the flusher looks for more before it goes: some microseconds, in which it lets every other thread go first.
    private const int Patience = 20;

    // What gathers in all queues of a burst together: a megabyte here or there is in a cache when it is written, a hundred are not.
    private const int BytesInAll = 8 * 1024 * 1024;

    private readonly ConcurrentQueue<SendQueue> _dirty = new();
    private int _listed;
    private int _isRunning;

    /// <summary>Which flusher a new queue gets.</summary>
    public static byte NextIndex() => (byte)((uint)Interlocked.Increment(ref _next) % (uint)All.Length);

    public static Flusher At(byte index) => All[index];

    /// <summary>How many queues wait for a visit.</summary>
    public int Listed => Volatile.Read(ref _listed);

    /// <summary>How many bytes each queue may let gather while so many do.</summary>
    public int BytesEach => BytesInAll / Math.Max(1, Listed);

    /// <summary>Writes one batch of a queue soon. The queue sees to it that it is added once only.</summary>
    public void Add(SendQueue queue)
    {
        _dirty.Enqueue(queue);
        Interlocked.Increment(ref _listed);
        if (Volatile.Read(ref _isRunning) != 0 || Interlocked.Exchange(ref _isRunning, 1) != 0)
            return;
        if (TryQueue())
            return;
        Volatile.Write(ref _isRunning, 0); // the next who adds a queue tries again
        throw new OutOfMemoryException();
    }

    void IThreadPoolWorkItem.Execute()
    {
        int walked = 0;
        while (true)
        {
            // A bounded walk, then a new turn in the pool: other work must not wait for a burst without end.
            while (walked < 1_024 && !_dirty.IsEmpty)
            {
                bool hasWritten = false;
                for (int round = _dirty.Count; round > 0 && _dirty.TryDequeue(out SendQueue? queue); round--, walked++)
                    hasWritten |= TryFinish(queue);

                if (!hasWritten)
                    Thread.Yield();
            }

            if (!_dirty.IsEmpty)
            {
                if (TryQueue())
                    return;
                walked = 0;
                continue;
            }

            if (MoreComesSoon())
                continue;
            Volatile.Write(ref _isRunning, 0);
            // A queue that was added before the line above may have seen a running flusher.
            Interlocked.MemoryBarrier();
            if (_dirty.IsEmpty || Interlocked.Exchange(ref _isRunning, 1) != 0)
                return;
        }
    }

    // One visit. False: the queue wants another. An exception would end the process here; so it ends the connection.
    private bool TryFinish(SendQueue queue)
    {
        try
        {
            if (queue.WriteOrComeAgain())
            {
                _dirty.Enqueue(queue);
                return false;
            }
        }
        catch (Exception exception)
        {
            queue.Fail(exception);
        }

        Interlocked.Decrement(ref _listed);
        return true;
    }

    // False: there is no memory for a new turn.
    private bool TryQueue()
    {
        try
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            return true;
        }
        catch (OutOfMemoryException)
        {
            return false;
        }
    }

    // Waking a pool thread costs its waker about what a write costs. Without this pause a sender that walks over many connections
    // would wake the flusher for each of them, find it gone again, and be the slower of the two.
    private bool MoreComesSoon()
    {
        for (int i = 0; i < Patience; i++)
        {
            Thread.Yield();
            if (!_dirty.IsEmpty)
                return true;
        }

        return false;
    }
}
