using System.Runtime.CompilerServices;
using PacketMQ.Serialization;

namespace PacketMQ.Dispatch;

/// <summary>
/// The objects of the packet that a connection has in hand, as far as they are dynamic values: they count to what the connection holds
/// from before they are made until the packet's handler has completed. What is below <see cref="DynamicAllowance.FixedBytes"/> never gets here.
/// </summary>
/// <remarks>
/// Only what the loop's own thread decodes while it hands out packets counts, so that nothing here needs a lock, and one packet at a time
/// is enough. What the application decodes elsewhere, or feeds in itself, is its own and not a peer's doing. A mutable struct: keep it in a
/// field that is not readonly.
/// </remarks>
internal struct PacketObjects
{
    private const int NoThread = 0;

    private int _thread;
    private long _held;

    /// <summary>How many bytes the packet in hand counts for.</summary>
    public readonly long Held => Volatile.Read(in _held);

    /// <summary>From here on this thread hands out packets.</summary>
    public void Begin() => Volatile.Write(ref _thread, Environment.CurrentManagedThreadId);

    public void End() => Volatile.Write(ref _thread, NoThread);

    /// <inheritdoc cref="IObjectBudget.TryTake"/>
    public bool TryTake(long bytes, Connection connection)
    {
        if (Volatile.Read(ref _thread) != Environment.CurrentManagedThreadId)
            return true;
        _held += bytes;
        connection.CountBytes(bytes);
        connection.RelieveBuffers();
        return !connection.IsEvicted;
    }

    /// <summary>The packet's handler has completed, or there was none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void GiveBack(Connection connection)
    {
        if (_held != 0)
            GiveBackHeld(connection);
    }

    private void GiveBackHeld(Connection connection)
    {
        connection.CountBytes(-_held);
        _held = 0;
    }
}
