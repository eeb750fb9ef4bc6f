namespace PacketMQ.Connections;

/// <summary>
/// The frames of one connection that wait for room in its send queue, first come first served. A sender that awaits its sends has one
/// here; the bounds are for those that do not. Not safe for several threads: its queue's gate guards it.
/// </summary>
/// <param name="maxBytes">How many bytes of payload may wait; one frame may always.</param>
/// <param name="maxCount">How many frames may wait.</param>
internal sealed class WaitingFrames(long maxBytes, int maxCount)
{
    private LinkedList<WaitingFrame>? _frames; // few connections ever need one

    public long Bytes { get; private set; }

    public WaitingFrame? First => _frames?.First?.Value;

    /// <summary>Adds a frame behind the others. False: there is no room; it was not added.</summary>
    public bool TryAdd(WaitingFrame frame)
    {
        _frames ??= new();
        if (_frames.Count >= maxCount || (_frames.Count > 0 && Bytes + frame.Payload.Length > maxBytes))
            return false;
        Bytes += frame.Payload.Length;
        frame.Place = _frames.AddLast(frame);
        return true;
    }

    /// <summary>Takes a frame out, wherever it stands. False: it does not wait any more.</summary>
    public bool TryRemove(WaitingFrame frame)
    {
        if (frame.Place is not { } place)
            return false;
        frame.Place = null;
        _frames!.Remove(place);
        Bytes -= frame.Payload.Length;
        return true;
    }
}

/// <summary>A frame that waits for room.</summary>
internal sealed class WaitingFrame(int wireId, ReadOnlyMemory<byte> payload)
{
    public int WireId { get; } = wireId;

    public ReadOnlyMemory<byte> Payload { get; } = payload;

    /// <summary>Where it waits; null once it was let in, turned away or given up.</summary>
    public LinkedListNode<WaitingFrame>? Place { get; set; }

    public TaskCompletionSource<bool> Appended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
