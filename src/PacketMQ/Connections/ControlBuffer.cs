using System.Buffers;

namespace PacketMQ.Connections;

/// <summary>
/// The frames of its own that a session wants sent. There are some in the handshake and at the end: so no connection has one, and each
/// thread lends its own. Whoever rents while it is lent gets a new one.
/// </summary>
internal sealed class ControlBuffer : IBufferWriter<byte>, IDisposable
{
    [ThreadStatic]
    private static ControlBuffer? _ofThread;

    private byte[] _bytes = [];
    private int _written;

    /// <summary>An empty one, to be disposed on the same thread.</summary>
    public static ControlBuffer Rent()
    {
        ControlBuffer rented = _ofThread ?? new ControlBuffer();
        _ofThread = null;
        return rented;
    }

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _written);

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _bytes.Length - _written);
        _written += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsMemory(_written);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _bytes.AsSpan(_written);
    }

    public void Dispose()
    {
        Clear();
        _ofThread = this;
    }

    private void Reserve(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        sizeHint = Math.Max(sizeHint, 1);
        if (_bytes.Length - _written >= sizeHint)
            return;
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(2 * _bytes.Length, checked(_written + sizeHint)));
        int written = _written;
        Written.CopyTo(larger);
        Clear();
        (_bytes, _written) = (larger, written);
    }

    private void Clear()
    {
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        (_bytes, _written) = ([], 0);
    }
}
