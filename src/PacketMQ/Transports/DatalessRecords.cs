namespace PacketMQ.Transports;

/// <summary>
/// Bounds what the other side sends over TLS with no data in it. An SslStream digests tickets and new keys (RFC 8446 section 4.6) within one
/// read, however many there are; and for each request of new keys OpenSSL keeps an answer, of 27 bytes, until this side writes.
/// </summary>
/// <remarks>
/// All records look alike from outside. In TLS 1.3 their length tells what is in them, so what does not come out as data was padding, or
/// nothing. A peer may pad as much as it likes, so after a while of that it gets its records read one at a time, which tells. A mutable struct:
/// keep it in a field that is not readonly. The reader's own, but for <see cref="NoticeWrite"/>.
/// </remarks>
internal struct DatalessRecords
{
    // A ticket has some hundred bytes, with long certificates some thousand, and there are two of them.
    private const int MostBytesInARow = 64 * 1024;

    // New keys are five bytes in a record of their own: 13 000 of them, which makes 350 KB of answers.
    private const int MostUnexplainedBytes = 64 * 1024;

    // After that. Keys are lawfully renewed once in some gigabytes.
    private const int MostEmpty = 1_000;

    private int _overhead; // of a record, in bytes; 0: not known
    private bool _isOpen;
    private int _inARow; // bytes since the last data
    private long _records; // as counted last
    private long _lengths;
    private long _unexplained; // bytes since this side last wrote
    private int _empty;
    private bool _isLastUnread; // of the records that are read one at a time
    private volatile bool _hasWritten;

    /// <summary>The handshake is through.</summary>
    /// <param name="overhead">How many bytes of each record are neither data nor padding, without the header; null: it varies.</param>
    /// <param name="records">What has come so far.</param>
    public void Begin(int? overhead, in TlsRecords records)
        => (_isOpen, _overhead, _records, _lengths) = (true, overhead ?? 0, records.Count, records.Lengths);

    /// <summary>This side writes: whatever OpenSSL has kept goes out with it. From any thread.</summary>
    public void NoticeWrite() => _hasWritten = true;

    /// <summary>So many bytes came out as data.</summary>
    public void NoticeData(int count)
    {
        _inARow = 0;
        _isLastUnread = false;
        _unexplained = Math.Max(0, _unexplained - count); // below zero by what had come before the handshake was through
    }

    /// <summary>How many bytes may be received now, of as many as there is room for.</summary>
    /// <exception cref="InvalidDataException">The other side sends nothing but records without data.</exception>
    public int Admit(int room, in TlsRecords records)
    {
        if (!_isOpen)
            return room;
        if (_hasWritten)
        {
            _hasWritten = false;
            _unexplained = _empty = 0;
        }

        if (_inARow > MostBytesInARow)
            throw new InvalidDataException($"The other side sent {_inARow} bytes of TLS with no data in them.");
        // What has come and is data may not have come out yet: a record and its neighbour.
        if (_unexplained <= MostUnexplainedBytes + TlsRecords.LongestRecord)
            return room;
        if (_isLastUnread && records.IncompleteBytes == 0)
        {
            _isLastUnread = false; // who asks for more has found nothing in it
            if (++_empty > MostEmpty)
                throw new InvalidDataException($"The other side sent {_empty} records of TLS with no data in them, and many before.");
        }

        return Math.Min(room, records.UntilBoundary);
    }

    /// <summary>So many bytes were received.</summary>
    public void Take(int count, in TlsRecords records)
    {
        if (!_isOpen)
            return;
        _inARow += count;
        _isLastUnread |= records.Count != _records;
        if (_overhead > 0)
            _unexplained += records.Lengths - _lengths - ((records.Count - _records) * _overhead);
        (_records, _lengths) = (records.Count, records.Lengths);
    }
}
