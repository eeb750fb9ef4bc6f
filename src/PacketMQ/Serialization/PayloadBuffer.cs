using System.Buffers;

namespace PacketMQ.Serialization;

/// <summary>
/// The scratch that a payload is encoded into before it is copied to where it goes. <see cref="Rent"/> takes the thread's own one,
/// or makes another while that is in use (an encoder that sends a packet itself); <see cref="Dispose"/> gives it back, empty. Its
/// holder is its only user, and its content is gone once it is given back.
/// </summary>
internal sealed class PayloadBuffer : IBufferWriter<byte>, IDisposable
{
    /// <summary>What a thread keeps between two payloads at most.</summary>
    private const int MaxKeptBytes = 65_536;

    private const int InitialBytes = 4_096;

    [ThreadStatic]
    private static PayloadBuffer? _idle;

    private byte[] _bytes = [];
    private int _written;
    private int _maxBytes;
    private string _packetName = "";
    private bool _rented;

    private PayloadBuffer()
    {
    }

    public ReadOnlyMemory<byte> WrittenMemory => Rented()._bytes.AsMemory(0, _written);

    public ReadOnlySpan<byte> WrittenSpan => Rented()._bytes.AsSpan(0, _written);

    public int WrittenCount => _written;

    /// <param name="maxBytes">The largest payload that may be written; more throws <see cref="PacketException"/> while it is being written.</param>
    /// <param name="packetName">Which packet that exception is about.</param>
    public static PayloadBuffer Rent(int maxBytes, string packetName)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxBytes);
        PayloadBuffer buffer = _idle ?? new PayloadBuffer();
        _idle = null;
        buffer._maxBytes = maxBytes;
        buffer._packetName = packetName;
        buffer._rented = true;
        return buffer;
    }

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Rented()._bytes.Length - _written);
        _written += count;
        if (_written > _maxBytes)
            throw TooLarge(_written);
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
        if (!_rented)
            return;
        _rented = false;
        _written = 0;
        if (_bytes.Length > MaxKeptBytes)
        {
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = [];
        }

        _idle = this;
    }

    private void Reserve(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        int room = Rented()._bytes.Length - _written;
        if (room > 0 && room >= sizeHint)
            return;
        // A hint may be the three bytes that each UTF-16 unit of a string could need, where one is enough: only a hint above that
        // is too large for certain. Anything else is judged when it has been written.
        long left = _maxBytes - _written;
        if (sizeHint > (3 * left) + 64)
            throw TooLarge((long)_written + (sizeHint / 3));
        Grow(Math.Max(sizeHint, 1));
    }

    private void Grow(int sizeHint)
    {
        long wanted = Math.Max((long)_written + sizeHint, Math.Max(InitialBytes, 2L * _bytes.Length));
        byte[] grown = ArrayPool<byte>.Shared.Rent((int)Math.Min(wanted, Array.MaxLength));
        _bytes.AsSpan(0, _written).CopyTo(grown);
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = grown;
    }

    private PayloadBuffer Rented()
    {
        ObjectDisposedException.ThrowIf(!_rented, this);
        return this;
    }

    private PacketException TooLarge(long atLeast)
        => new($"The payload of the packet '{PrintableText.Escape(_packetName)}' has {atLeast} bytes or more; the limit is {_maxBytes} bytes.");
}
