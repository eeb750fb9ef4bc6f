using System.Diagnostics.Tracing;
using PacketMQ.Connections;

namespace PacketMQ.Tests.Conformance;

/// <summary>How many bytes the pool of the connections, and the shared one of byte arrays, have given out and not got back.</summary>
internal sealed class PoolWatch : EventListener
{
    private const int Rented = 1;
    private const int Returned = 3;

    private long _out;
    private long _most;

    /// <summary>The most bytes that were out at once since <see cref="Reset"/>, beyond those that were out then; each pool's most, together.</summary>
    public long Most => Volatile.Read(ref _most) + BufferPool.Connections.MostLent;

    public void Reset()
    {
        Volatile.Write(ref _out, 0);
        Volatile.Write(ref _most, 0);
        BufferPool.Connections.BeginMost();
    }

    protected override void OnEventSourceCreated(EventSource eventSource)
    {
        if (eventSource.Name == "System.Buffers.ArrayPoolEventSource")
            EnableEvents(eventSource, EventLevel.Verbose);
    }

    protected override void OnEventWritten(EventWrittenEventArgs eventData)
    {
        if (eventData.EventId is not (Rented or Returned))
            return;
        int size = (int)eventData.Payload![1]!;
        long before, outside;
        do
        {
            before = Volatile.Read(ref _out);
            outside = Math.Max(0, before + (eventData.EventId == Rented ? size : -size)); // what was out before the reset may come back after it
        }
        while (Interlocked.CompareExchange(ref _out, outside, before) != before);

        for (long most = Volatile.Read(ref _most); outside > most; most = Volatile.Read(ref _most))
            Interlocked.CompareExchange(ref _most, outside, most);
    }
}
