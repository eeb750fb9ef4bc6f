using System.Buffers;

namespace PacketMQ.Wire;

internal enum SessionEventKind
{
    /// <summary>The other side has introduced itself, and waits for our id map: <see cref="Session.Approve"/> is next.</summary>
    Introduced,

    /// <summary>The handshake is through in both directions: <see cref="Session.Agreement"/> is set, packets may be sent.</summary>
    Activated,

    /// <summary>An application packet: <see cref="SessionEvent.PacketId"/>, <see cref="SessionEvent.Payload"/>.</summary>
    Packet,

    /// <summary>The other side's softquit: <see cref="SessionEvent.Reason"/>. Nothing is read after it.</summary>
    Quit,
}

/// <summary>One thing that a session read. A payload is a slice of the session's input: it lives as long as that buffer.</summary>
internal struct SessionEvent
{
    public SessionEventKind Kind;

    /// <summary>16 to 65 535; whether anybody knows it is the dispatcher's question.</summary>
    public int PacketId;

    /// <summary>Exactly one well-formed msgpack value within the limits.</summary>
    public ReadOnlySequence<byte> Payload;

    /// <summary>Whether a map in the payload has a BIN key, as Python 2 sends them.</summary>
    public bool HasBinaryKeys;

    public CloseReason Reason;
}
