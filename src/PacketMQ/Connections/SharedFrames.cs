using System.Buffers;

namespace PacketMQ.Connections;

/// <summary>
/// Frames that many connections send from the same memory. It is filled from the front and never changed behind; each queue that still has
/// a part of it to send holds a reference, and the last one gives the array back.
/// </summary>
internal sealed class SharedFrames(int capacity)
{
    private readonly byte[] _bytes = ArrayPool<byte>.Shared.Rent(capacity);
    private int _references = 1; // whoever fills it

    /// <summary>How many bytes of it are filled.</summary>
    public int Count { get; private set; }

    public int FreeBytes => _bytes.Length - Count;

    public ReadOnlyMemory<byte> Slice(int start, int size) => _bytes.AsMemory(start, size);

    /// <summary>Adds a frame, for which there has to be room, and returns where it begins. One thread at a time.</summary>
    public int Append<TFrame>(in TFrame frame)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        int start = Count;
        frame.WriteTo(_bytes.AsSpan(start, frame.Size));
        Count += frame.Size;
        return start;
    }

    public void AddReference() => Interlocked.Increment(ref _references);

    public void Release()
    {
        if (Interlocked.Decrement(ref _references) == 0)
            ArrayPool<byte>.Shared.Return(_bytes);
    }
}
