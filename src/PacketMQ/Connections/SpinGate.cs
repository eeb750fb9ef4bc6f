using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Connections;

/// <summary>
/// A lock for a few dozen instructions, never held across I/O or code of the application: entering and leaving it uncontended costs
/// about half of what <see cref="Lock"/> costs, and a send queue does it once per packet.
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
            // Never sleeps: whoever holds the gate leaves it within a microsecond or was preempted, which a yield mends.
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
