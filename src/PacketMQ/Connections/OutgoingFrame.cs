using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// A frame whose parts are known and only have to be put together where they go out: some copies, short enough for a
/// <see cref="SpinGate"/>. Its kinds are structs, so that each has appending code of its own.
/// </summary>
internal interface IOutgoingFrame
{
    /// <summary>The length of the whole frame, header and payload.</summary>
    public int Size { get; }

    /// <summary>Fills exactly <see cref="Size"/> bytes.</summary>
    public void WriteTo(Span<byte> frame);
}

/// <summary>A frame around a payload that is encoded already.</summary>
internal readonly ref struct EncodedFrame(int wireId, ReadOnlySpan<byte> payload) : IOutgoingFrame
{
    private readonly ReadOnlySpan<byte> _payload = payload;

    public int Size => WireProtocol.HeaderBytes + _payload.Length;

    public void WriteTo(Span<byte> frame)
    {
        FrameWriter.WriteHeader(frame, wireId, _payload.Length);
        _payload.CopyTo(frame[WireProtocol.HeaderBytes..]);
    }
}

/// <summary>A frame around opaque bytes (msgpack BIN), which are copied once: into the frame.</summary>
internal readonly ref struct BinaryFrame(int wireId, ReadOnlySpan<byte> bytes) : IOutgoingFrame
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Size => WireProtocol.HeaderBytes + BinaryPacket.GetHeaderLength(_bytes.Length) + _bytes.Length;

    public void WriteTo(Span<byte> frame)
    {
        FrameWriter.WriteHeader(frame, wireId, frame.Length - WireProtocol.HeaderBytes);
        _bytes.CopyTo(frame[(WireProtocol.HeaderBytes + BinaryPacket.WriteHeader(frame[WireProtocol.HeaderBytes..], _bytes.Length))..]);
    }
}
