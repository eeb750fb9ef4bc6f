using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Connections;

/// <summary>
/// A lock for a few dozen instructions, and the copying of what is sent: mostly one packet, now and then all that waits for room in a
/// queue, which is no more than the queue may hold. It is never held across I/O or code of the application. Entering and leaving it
/// uncontended costs about half of what <see cref="Lock"/> costs, and a send queue does it once per packet.
/// </summary>
/// <remarks>Not reentrant. A mutable struct: keep it in a field that is not readonly. Use as <c>using (_gate.Hold())</c>.</remarks>
internal struct SpinGate
{
    private int _held;

    /// <summary>Enters; disposing the result leaves.</summary>
    [UnscopedRef]
    public Scope Hold()
    {
        if (Interlocked.CompareExchange(ref _held, 1, 0) != 0)
            EnterContended();
        return new Scope(ref _held);
    }

    private void EnterContended()
    {
        var wait = new SpinWait();
        do
        {
            // Never sleeps: whoever holds the gate mostly leaves it within a microsecond, or copies much, which takes some hundred for a
            // megabyte, or was preempted. A yield mends the last, and lets others work during the other.
            wait.SpinOnce(sleep1Threshold: -1);
        }
        while (Volatile.Read(ref _held) != 0 || Interlocked.CompareExchange(ref _held, 1, 0) != 0);
    }

    public readonly ref struct Scope(ref int held)
    {
        private readonly ref int _held = ref held;

        public void Dispose() => Volatile.Write(ref _held, 0);
    }
}
