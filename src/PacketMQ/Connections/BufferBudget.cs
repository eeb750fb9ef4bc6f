using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>
/// The bytes that all connections of the process buffer, against one peer's bound for them. Near the bound the peer takes no new
/// connections; above it, it closes those of its own that hold the most, until what is left fits.
/// </summary>
/// <remarks>Counted when a large array is taken or given back, not per packet: see <see cref="BufferAccount"/>.</remarks>
internal sealed class BufferBudget(long? limit, RepeatedLog repeated, ILogger logger) : IThreadPoolWorkItem
{
    private static long _total; // of the process

    private readonly ConcurrentDictionary<BufferAccount, bool> _accounts = new(); // those that ever held something
    private readonly Lock _relieving = new();
    private int _isRelieving; // or will soon

    public static long Total => Interlocked.Read(ref _total);

    /// <summary>Whether seven eighths are spent.</summary>
    public bool IsNearlySpent => Total >= limit - (limit / 8);

    private bool IsExceeded => Total > limit;

    /// <summary>Called by an account whose holdings change.</summary>
    public void Count(BufferAccount account, long change, bool isFirst)
    {
        Interlocked.Add(ref _total, change);
        if (isFirst)
            _accounts.TryAdd(account, true);
        // Never here: the caller holds a gate. And one at a time.
        if (change > 0 && IsExceeded && Interlocked.Exchange(ref _isRelieving, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    public void Forget(BufferAccount account) => _accounts.TryRemove(account, out _);

    /// <summary>Called by the heartbeat, in case that the last relief found nobody to close.</summary>
    public void Check()
    {
        Volatile.Write(ref _isRelieving, 0);
        if (IsExceeded && Interlocked.Exchange(ref _isRelieving, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>
    /// Closes those that hold the most, if all hold too much. Called by a connection that is about to take more, and holds no gate: on a busy
    /// pool the work item waits behind the very connections that fill the buffers.
    /// </summary>
    public void RelieveNow()
    {
        if (IsExceeded)
            Relieve();
    }

    void IThreadPoolWorkItem.Execute() => Relieve();

    private void Relieve()
    {
        if (!_relieving.TryEnter())
            return; // somebody does already
        try
        {
            EvictMost();
        }
        finally
        {
            _relieving.Exit();
        }
    }

    private void EvictMost()
    {
        (BufferAccount Account, long Held)[] accounts = [.. _accounts.Select(pair => (pair.Key, pair.Key.Held))];
        long excess = Total - limit.GetValueOrDefault() - accounts.Where(one => one.Account.IsEvicted).Sum(one => one.Held);
        int closed = 0;
        foreach ((BufferAccount account, long held) in accounts.Where(one => !one.Account.IsEvicted).OrderByDescending(one => one.Held))
        {
            if (excess <= 0)
                break;
            account.Evict();
            excess -= held;
            closed++;
        }

        if (closed > 0 && repeated.IsNews(ConnectionLog.BuffersFullId, nameof(PeerOptions.MaxTotalBufferedBytes)))
            ConnectionLog.BuffersFull(logger, limit.GetValueOrDefault(), closed);
        // With nobody to close, looking again at each array that is taken would help nobody: the heartbeat does.
        if (closed > 0 || excess <= 0)
            Volatile.Write(ref _isRelieving, 0);
    }
}
