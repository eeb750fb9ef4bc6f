using System.Buffers;
using System.IO.Pipelines;

namespace PacketMQ.Tests.Support;

/// <summary>The bytes of a client that never lets a read wait: a handshake, and then the same packets with each read, as often as anybody reads.</summary>
/// <param name="packets">What each read brings.</param>
/// <param name="onRead">Is told of each read of packets how many there have been.</param>
internal sealed class Flood(byte[] packets, Action<int>? onRead = null) : PipeReader, IDuplexPipe
{
    private static readonly byte[] Handshake = PeerBytes.Handshake(true, (Registries.Name, 2_000));

    private ReadOnlySequence<byte> _bytes = new(Handshake);
    private volatile bool _hasEnded;

    /// <summary>How often packets were read.</summary>
    public int Reads { get; private set; }

    public PipeReader Input => this;

    public PipeWriter Output { get; } = PipeWriter.Create(Stream.Null);

    /// <summary>So many of one packet, as one read.</summary>
    public static byte[] Packets(int count, params byte[] payload)
        => [.. Enumerable.Repeat(PeerBytes.Frame(17, payload), count).SelectMany(frame => frame)];

    public void End() => _hasEnded = true;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (_bytes.IsEmpty && !_hasEnded)
        {
            _bytes = new(packets);
            Reads++;
            onRead?.Invoke(Reads);
        }

        return new(new ReadResult(_bytes, isCanceled: false, isCompleted: _hasEnded));
    }

    public override bool TryRead(out ReadResult result)
    {
        result = ReadAsync().GetAwaiter().GetResult();
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => _bytes = _bytes.Slice(consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => AdvanceTo(consumed);

    public override void CancelPendingRead()
    {
    }

    public override void Complete(Exception? exception = null)
    {
    }
}
