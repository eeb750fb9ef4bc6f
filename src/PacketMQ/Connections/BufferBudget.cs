using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>
/// The bytes that all connections of the process buffer, against one peer's bound for them. Near the bound the peer takes no new
/// connections; above it, it closes those of its own that hold the most, until what is left fits. So it does near the bound too, once that
/// has kept others out for <see cref="MostTicksShut"/> heartbeats: nobody may park there.
/// </summary>
/// <remarks>Counted when a large array is taken or given back, not per packet: see <see cref="BufferAccount"/>.</remarks>
internal sealed class BufferBudget(long? limit, RepeatedLog repeated, ILogger logger) : IThreadPoolWorkItem
{
    /// <summary>For how many heartbeats, a second apart, the peer may have no room because the buffers are nearly full.</summary>
    public const int MostTicksShut = 10;

    private static long _total; // of the process

    private readonly ConcurrentDictionary<BufferAccount, bool> _accounts = new(); // those that ever held something
    private readonly Lock _relieving = new();
    private int _isRelieving; // or will soon
    private volatile bool _hasTurnedAway; // since the buffers are nearly full
    private int _ticksShut;

    public static long Total => Interlocked.Read(ref _total);

    /// <summary>Whether seven eighths are spent.</summary>
    public bool IsNearlySpent => Total >= NearlyAll;

    /// <summary>Whether some have to go.</summary>
    public bool HasToRelieve => IsExceeded || IsShutTooLong;

    private long? NearlyAll => limit - (limit / 8);

    private bool IsExceeded => Total > limit;

    private bool IsShutTooLong => Volatile.Read(ref _ticksShut) > MostTicksShut;

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

    /// <summary>A connection was turned away because the buffers are nearly full.</summary>
    public void NoticeTurnedAway() => _hasTurnedAway = true;

    /// <summary>Called by the heartbeat: for who has parked near the bound, and in case that the last relief found nobody to close.</summary>
    public void Check()
    {
        Volatile.Write(ref _isRelieving, 0);
        _hasTurnedAway &= IsNearlySpent;
        Volatile.Write(ref _ticksShut, _hasTurnedAway ? _ticksShut + 1 : 0);
        if (HasToRelieve && Interlocked.Exchange(ref _isRelieving, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    /// <summary>
    /// Closes those that hold the most, if all hold too much. Called by a connection that is about to take more, and holds no gate: on a busy
    /// pool the work item waits behind the very connections that fill the buffers.
    /// </summary>
    public void RelieveNow()
    {
        if (HasToRelieve)
            Relieve();
    }

    // From a work item it would end the process.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "The next heartbeat tries again.")]
    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            Relieve();
        }
        catch (Exception exception)
        {
            repeated.TellFault(exception);
        }
    }

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
        long bound = (IsShutTooLong ? NearlyAll - 1 : limit).GetValueOrDefault();
        long excess = Total - bound - accounts.Where(one => one.Account.IsEvicted).Sum(one => one.Held);
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
            ConnectionLog.BuffersFull(logger, bound, closed);
        // With nobody to close, looking again at each array that is taken would help nobody: the heartbeat does.
        if (closed > 0 || excess <= 0)
            Volatile.Write(ref _isRelieving, 0);
    }
}
