namespace PacketMQ.Transports;

/// <summary>
/// Where in its records the other side's TLS stream is. Their headers are never encrypted (RFC 8446 section 5.1: type, 1 byte; version, 2;
/// length of what follows, 2, big-endian), so that it shows from outside whether one has begun and not ended.
/// </summary>
/// <remarks>
/// A mutable struct: keep it in a field that is not readonly. The reader's own, but for <see cref="IncompleteBytes"/>. What is no TLS from its
/// first byte on is left to the SslStream, which finds out in the handshake.
/// </remarks>
internal struct TlsRecords
{
    /// <summary>In bytes, without the header: a ciphertext of TLS 1.2 (RFC 5246 section 6.2.3). An SslStream makes room for any length that it reads.</summary>
    public const int LongestRecord = (16 * 1024) + 2_048;

    private const int HeaderBytes = 5;
    private const int LengthBytes = 2;

    private const byte Handshake = 0x16;
    private const byte ApplicationData = 0x17;
    private const byte MajorVersion = 3;

    // The very first may be a hello as SSL 2 had it: a header of a length only, with the highest bit set.
    private const byte OldHello = 0x80;

    private int _arrived; // of the record that has begun, with its header
    private int _headerBytes;
    private int _length; // of what follows the header, as far as that has come
    private bool _isBehindFirst;
    private bool _isChecked;
    private string? _fault;

    /// <summary>How many records have begun: their headers have come.</summary>
    public long Count { get; private set; }

    /// <summary>How long all of them say that they are, without the headers.</summary>
    public long Lengths { get; private set; }

    /// <summary>How many bytes are missing until a header or a record ends; never 0.</summary>
    public readonly int UntilBoundary
        => _arrived == 0 ? HeaderBytes : _arrived < _headerBytes ? _headerBytes - _arrived : _headerBytes + _length - _arrived;

    /// <summary>How many bytes of a record have arrived whose rest has not; 0: none has begun. From any thread.</summary>
    public readonly int IncompleteBytes => Volatile.Read(in _arrived);

    /// <summary>Whether a record of TLS itself has begun, as TLS 1.2 shows it. For who has taken note to forget.</summary>
    public bool HasControl { get; set; }

    /// <summary>These bytes have arrived.</summary>
    /// <exception cref="InvalidDataException">They are no records of TLS, or were none before.</exception>
    public void Take(ReadOnlySpan<byte> bytes)
    {
        int arrived = _arrived;
        while (!bytes.IsEmpty && _fault is null)
        {
            if (arrived == 0)
                Begin(bytes[0]);
            int count = 1;
            if (arrived >= _headerBytes)
                count = Math.Min(bytes.Length, _headerBytes + _length - arrived);
            else if (arrived >= _headerBytes - LengthBytes)
                _length = (_length << 8) | (arrived == 0 ? bytes[0] & ~OldHello : bytes[0]);
            else if (_isChecked && arrived == 1 && bytes[0] != MajorVersion)
                _fault = $"A TLS record has the version {bytes[0]}.x; there is only {MajorVersion}.x.";
            if (_isChecked && _length > LongestRecord)
                _fault = $"A TLS record says that {_length} bytes follow; the longest has {LongestRecord}.";
            arrived += count;
            bytes = bytes[count..];
            if (arrived == _headerBytes)
                (Count, Lengths) = (Count + 1, Lengths + _length);
            if (arrived >= _headerBytes && arrived == _headerBytes + _length)
                arrived = 0;
        }

        Volatile.Write(ref _arrived, arrived);
        if (_fault is not null)
            throw new InvalidDataException(_fault);
    }

    private void Begin(byte first)
    {
        _headerBytes = !_isBehindFirst && first >= OldHello ? LengthBytes : HeaderBytes;
        _isChecked = _isBehindFirst || first == Handshake;
        _isBehindFirst = true;
        HasControl |= first != ApplicationData;
        _length = 0;
    }
}
