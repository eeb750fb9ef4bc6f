using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>
/// Keeps a log readable under attack: of the events that peers can cause as often as they like, the first of a kind is a line, and what
/// follows within a second is a count. The heartbeat sees to it that the count is told even if nothing more comes.
/// </summary>
internal sealed class RepeatedLog(ILogger logger, TimeProvider timeProvider)
{
    // Some kinds may come from the other side, such as the name of a packet that only it has.
    private const int MaxKinds = 64;
    private const string OtherKinds = "(others)";

    private static readonly TimeSpan Window = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<(int EventId, string Kind), Run> _runs = [];

    /// <summary>Whether an event is to be logged; otherwise it was counted.</summary>
    /// <param name="eventId">The event's id in the log.</param>
    /// <param name="kind">What makes it the same as others: a reason, a name. Escaped, if it comes from outside.</param>
    /// <param name="level">How the count is told: what is no warning once is none when it comes often.</param>
    public bool IsNews(int eventId, string kind, LogLevel level = LogLevel.Warning)
    {
        long now = timeProvider.GetTimestamp();
        int repeated;
        (int EventId, string Kind) key = (eventId, kind);
        lock (_gate)
        {
            if (!_runs.TryGetValue(key, out Run? run))
            {
                if (_runs.Count >= MaxKinds)
                    key.Kind = OtherKinds;
                if (!_runs.TryGetValue(key, out run))
                {
                    _runs.Add(key, new Run(now, level));
                    return true;
                }
            }

            if (!run.HasPassed(timeProvider, now))
            {
                run.Count++;
                return false;
            }

            repeated = run.Restart(now);
        }

        Tell(key, level, repeated);
        return true;
    }

    /// <summary>Tells the counts of the windows that have passed.</summary>
    /// <param name="isLast">Whether nobody calls again: then it tells them all.</param>
    public void Flush(bool isLast = false)
    {
        List<((int, string) Key, LogLevel Level, int Count)>? repeated = null;
        long now = timeProvider.GetTimestamp();
        lock (_gate)
        {
            foreach (((int, string) key, Run run) in _runs)
            {
                if (!isLast && !run.HasPassed(timeProvider, now))
                    continue;
                if (run.Count > 0)
                    (repeated ??= []).Add((key, run.Level, run.Restart(now)));
                else
                    _runs.Remove(key);
            }
        }

        foreach (((int, string) key, LogLevel level, int count) in repeated ?? [])
            Tell(key, level, count);
    }

    /// <summary>Logs an error of the library itself that belongs to no connection. It never fails: it is called where nobody would catch that.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "There is nobody left to tell that telling failed.")]
    public void TellFault(Exception exception)
    {
        try
        {
            if (IsNews(ConnectionLog.PeerFaultId, exception.GetType().Name))
                ConnectionLog.PeerFault(logger, exception);
        }
        catch (Exception)
        {
            // For want of memory, most likely.
        }
    }

    private void Tell((int EventId, string Kind) key, LogLevel level, int count)
    {
        if (count > 0)
            ConnectionLog.Repeated(logger, level, count, key.EventId, key.Kind);
    }

    private sealed class Run(long begun, LogLevel level)
    {
        private long _begun = begun;

        public LogLevel Level { get; } = level;

        public int Count { get; set; }

        public bool HasPassed(TimeProvider timeProvider, long now) => timeProvider.GetElapsedTime(_begun, now) >= Window;

        public int Restart(long now)
        {
            int count = Count;
            (_begun, Count) = (now, 0);
            return count;
        }
    }
}
