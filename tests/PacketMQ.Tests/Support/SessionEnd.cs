using System.Buffers;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Support;

/// <summary>A <see cref="SessionEvent"/> that outlives its buffer.</summary>
internal sealed record SessionRecord(SessionEventKind Kind, int PacketId, string Payload, bool HasBinaryKeys, CloseReason Reason);

/// <summary>One session with what a connection would keep for it: the bytes that it has not read, its events, its answers.</summary>
internal sealed class SessionEnd(Contract contract, SessionLimits? limits = null)
{
    private readonly ArrayBufferWriter<byte> _output = new();
    private List<byte[]> _unread = [];

    public Session Session { get; } = new(contract, limits ?? new SessionLimits());

    public List<SessionRecord> Events { get; } = [];

    public ReadOnlySequence<byte> Unread => Chunked.Join(_unread);

    public void Start() => Session.Start(_output);

    public void Receive(byte[] bytes)
    {
        _unread.Add(bytes);
        ReadOnlySequence<byte> input = Unread;
        while (Session.TryRead(ref input, _output, out SessionEvent e))
            Events.Add(new SessionRecord(e.Kind, e.PacketId, Hex.Of(e.Payload), e.HasBinaryKeys, e.Reason));
        _unread = [];
        foreach (ReadOnlyMemory<byte> segment in input)
        {
            if (!segment.IsEmpty)
                _unread.Add(segment.ToArray());
        }
    }

    public void Quit(CloseReason reason) => Session.Quit(reason, _output);

    public void EndOfInput() => Session.EndOfInput(Unread);

    public byte[] TakeOutput()
    {
        byte[] bytes = _output.WrittenSpan.ToArray();
        _output.Clear();
        return bytes;
    }
}
