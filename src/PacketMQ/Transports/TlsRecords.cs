namespace PacketMQ.Transports;

/// <summary>
/// Where in its records the other side's TLS stream is. Their headers are never encrypted (RFC 8446 section 5.1: type, 1 byte; version, 2;
/// length of what follows, 2, big-endian), so that it shows from outside whether one has begun and not ended.
/// </summary>
/// <remarks>
/// A mutable struct: keep it in a field that is not readonly. The reader's own, but for <see cref="IncompleteBytes"/>. For a stream that is no
/// TLS the figures mean nothing; then the handshake fails.
/// </remarks>
internal struct TlsRecords
{
    private const int HeaderBytes = 5;
    private const int LengthBytes = 2;

    // The very first may be a hello as SSL 2 had it: a header of a length only, with the highest bit set.
    private const byte OldHello = 0x80;

    private int _arrived; // of the record that has begun, with its header
    private int _headerBytes;
    private int _length; // of what follows the header, as far as that has come
    private bool _isBehindFirst;

    /// <summary>How many bytes of a record have arrived whose rest has not; 0: none has begun. From any thread.</summary>
    public readonly int IncompleteBytes => Volatile.Read(in _arrived);

    /// <summary>These bytes have arrived.</summary>
    public void Take(ReadOnlySpan<byte> bytes)
    {
        int arrived = _arrived;
        while (!bytes.IsEmpty)
        {
            if (arrived == 0)
                Begin(bytes[0]);
            int count = 1;
            if (arrived >= _headerBytes)
                count = Math.Min(bytes.Length, _headerBytes + _length - arrived);
            else if (arrived >= _headerBytes - LengthBytes)
                _length = (_length << 8) | (arrived == 0 ? bytes[0] & ~OldHello : bytes[0]);
            arrived += count;
            bytes = bytes[count..];
            if (arrived >= _headerBytes && arrived == _headerBytes + _length)
                arrived = 0;
        }

        Volatile.Write(ref _arrived, arrived);
    }

    private void Begin(byte first)
    {
        _headerBytes = !_isBehindFirst && first >= OldHello ? LengthBytes : HeaderBytes;
        _isBehindFirst = true;
        _length = 0;
    }
}
