using System.Buffers;
using System.Buffers.Binary;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// Looks for the other side's softquit in what was read ahead of a busy handler. It only steps from frame to frame, each of them
/// once; whether they are any good is the session's question, when their turn comes.
/// </summary>
/// <param name="start">Where the first unhandled frame begins.</param>
internal struct ReadAhead(long start)
{
    private long _next = start;

    /// <param name="buffer">All that is held; it begins at the same byte each time.</param>
    public bool FindsSoftQuit(in ReadOnlySequence<byte> buffer)
    {
        Span<byte> header = stackalloc byte[WireProtocol.HeaderBytes];
        while (buffer.Length - _next >= header.Length)
        {
            buffer.Slice(_next, header.Length).CopyTo(header);
            if (BinaryPrimitives.ReadUInt16BigEndian(header[WireProtocol.LengthBytes..]) == WireProtocol.SoftQuitId)
                return true;
            // As long: in 32 bits the sum of the largest lengths would be zero, a step that goes nowhere for ever.
            _next += WireProtocol.LengthBytes + (long)BinaryPrimitives.ReadUInt32BigEndian(header);
        }

        return false;
    }
}
