using System.Buffers;
using System.IO.Pipelines;

namespace PacketMQ.Connections;

/// <summary>
/// What has arrived on one connection. The bytes of the last read are ours to look at until the reader is advanced; those of a handler that
/// still runs are kept while more is read behind them.
/// </summary>
/// <remarks>
/// A mutable struct: keep it in a field that is not readonly. Its loop's own, but for <see cref="Left"/> and <see cref="IsHeld"/>.
/// </remarks>
internal struct ReceivedBytes(PipeReader input)
{
    // Who sends as fast as we read never lets a read wait: after so many bytes the other connections get their turn.
    private const int FairShare = 1_024 * 1_024;

    // Or after 5 ms, if its handlers take their time: this part of a second. Handling so many bytes costs far more than asking for it.
    private const int TurnsOfASecond = 200;

    // A read counts for so much even if it gives less: a TLS record of one byte costs as much as one of some thousand, and others with no data
    // at all may stand before it.
    private const int LeastOfARead = 4 * 1_024;
    private const int BytesAnAsk = 32 * 1_024;

    private ReadResult _read; // the last one
    private volatile bool _isHeld;
    private SequencePosition _keptStart;
    private long _left;
    private int _turn; // how many bytes came without a wait, as they are counted
    private int _turnAtAsk; // how many when the time was last asked for
    private int _turnBegan; // the low half of the time

    /// <summary>How many bytes of an incomplete frame were left when the reader was advanced. Read by the heartbeat.</summary>
    public long Left => Volatile.Read(ref _left);

    /// <summary>Whether what was read is being looked at, so that nothing is read meanwhile. Read by the heartbeat.</summary>
    public readonly bool IsHeld => _isHeld;

    /// <summary>The bytes of the last read.</summary>
    public readonly ReadOnlySequence<byte> All => _read.Buffer;

    /// <summary>The bytes from <see cref="Keep"/> on.</summary>
    public readonly ReadOnlySequence<byte> Kept => _read.Buffer.Slice(_keptStart);

    /// <summary>Whether the other side's stream ends with them.</summary>
    public readonly bool IsCompleted => _read.IsCompleted;

    /// <summary>Whether the other connections should get their turn.</summary>
    public readonly bool IsTurnOver => _turn >= FairShare;

    public ValueTask<ReadResult> ReadAsync()
    {
        ValueTask<ReadResult> reading = input.ReadAsync();
        if (!reading.IsCompleted || IsTurnOver)
            _turn = _turnAtAsk = 0;
        return reading;
    }

    /// <summary>The same as <see cref="IsTurnOver"/>, for who has handled the bytes and may have taken long.</summary>
    public bool IsTurnOverBy(TimeProvider timeProvider)
    {
        if (_turn - _turnAtAsk >= BytesAnAsk && !IsTurnOver)
        {
            _turnAtAsk = _turn;
            int now = (int)timeProvider.GetTimestamp();
            if ((uint)(now - _turnBegan) > timeProvider.TimestampFrequency / TurnsOfASecond)
                _turn = FairShare;
        }

        return IsTurnOver;
    }

    public readonly void CancelRead() => input.CancelPendingRead();

    public void Take(ReadResult read, TimeProvider timeProvider)
    {
        (_read, _isHeld) = (read, true);
        if (_turn == 0)
            _turnBegan = (int)timeProvider.GetTimestamp();
        _turn = (int)Math.Min(FairShare, _turn + Math.Max(LeastOfARead, read.Buffer.Length - _left));
        Volatile.Write(ref _left, 0); // while a handler blocks the thread, nothing is known to be missing
    }

    /// <summary>From here on the bytes stay where they are: a handler has not finished with them.</summary>
    public void Keep(SequencePosition start) => _keptStart = start;

    /// <summary>Gives up all but the rest, which is looked at again once there is more of it.</summary>
    public void Advance(in ReadOnlySequence<byte> rest)
    {
        _isHeld = false;
        Volatile.Write(ref _left, rest.Length);
        input.AdvanceTo(rest.Start, rest.End);
    }

    /// <summary>Reads behind what is kept, with <see cref="TakeAhead"/>.</summary>
    public ValueTask<ReadResult> ReadAheadAsync()
    {
        Advance(Kept);
        return ReadAsync();
    }

    /// <inheritdoc cref="ReadAheadAsync"/>
    public void TakeAhead(ReadResult read, TimeProvider timeProvider)
    {
        Take(read, timeProvider);
        _keptStart = read.Buffer.Start; // the same byte; but a position with no byte behind it does not outlive the read
    }

    /// <summary>Nobody looks at what was received any more: it can be drained.</summary>
    public void LetGo()
    {
        if (!_isHeld)
            return;
        _isHeld = false;
        Volatile.Write(ref _left, 0);
        input.AdvanceTo(_read.Buffer.End);
    }
}
