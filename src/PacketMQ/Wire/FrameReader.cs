using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace PacketMQ.Wire;

/// <summary>
/// Finds the next frame (protocol, "Frame"). A length is judged as soon as its four bytes are there, so that nobody waits, or
/// makes room, for a body that will be refused.
/// </summary>
internal static class FrameReader
{
    /// <summary>Takes one frame off <paramref name="input"/>; <see langword="false"/>: it is not complete yet, nothing was taken.</summary>
    /// <param name="input">What was received; the payload is a slice of it.</param>
    /// <param name="maxFrameBytes">The largest length that the session's state allows.</param>
    /// <param name="isFirstFrame">Whether a length above the limit may be another protocol's greeting.</param>
    /// <param name="packetId">0 to 65 535.</param>
    /// <param name="payload">Not looked into; may be empty.</param>
    public static bool TryRead(
        ref ReadOnlySequence<byte> input, int maxFrameBytes, bool isFirstFrame, out int packetId, out ReadOnlySequence<byte> payload)
    {
        packetId = 0;
        payload = default;
        if (input.Length < WireProtocol.LengthBytes)
            return false;

        Span<byte> header = stackalloc byte[WireProtocol.HeaderBytes];
        input.Slice(0, long.Min(header.Length, input.Length)).CopyTo(header);
        int length = ReadLength(header, maxFrameBytes, isFirstFrame);
        if (length > input.Length - WireProtocol.LengthBytes)
            return false;

        packetId = ReadPacketId(header);
        payload = input.Slice(WireProtocol.HeaderBytes, length - WireProtocol.PacketIdBytes);
        input = input.Slice(WireProtocol.LengthBytes + length);
        return true;
    }

    /// <summary>The same for a frame that lies in one piece at the beginning of <paramref name="bytes"/>.</summary>
    /// <param name="bytes">What was received.</param>
    /// <param name="maxFrameBytes">The largest length that the session's state allows.</param>
    /// <param name="frameBytes">The length of the whole frame, header and payload.</param>
    /// <param name="packetId">0 to 65 535.</param>
    public static bool TryRead(ReadOnlySpan<byte> bytes, int maxFrameBytes, out int frameBytes, out int packetId)
    {
        if (bytes.Length >= WireProtocol.HeaderBytes)
            ReadLength(bytes, maxFrameBytes, isFirstFrame: false);
        return TryPeek(bytes, maxFrameBytes, out frameBytes, out packetId);
    }

    /// <summary>The same again, but <see langword="false"/> also means that the frame is refused: the hot path, which throws nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryPeek(ReadOnlySpan<byte> bytes, int maxFrameBytes, out int frameBytes, out int packetId)
    {
        frameBytes = 0;
        packetId = 0;
        if (bytes.Length < WireProtocol.HeaderBytes)
            return false;
        uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        if (!IsAllowed(length, maxFrameBytes) || length > (uint)(bytes.Length - WireProtocol.LengthBytes))
            return false;
        frameBytes = WireProtocol.LengthBytes + (int)length;
        packetId = ReadPacketId(bytes);
        return true;
    }

    /// <summary>
    /// Takes a frame that lies in the first segment off <paramref name="input"/> and returns its payload. Slicing a sequence by
    /// numbers costs more than all the rest of a small packet; with the segment in hand it is two constructors.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ReadOnlySequence<byte> TakePayload(ref ReadOnlySequence<byte> input, int frameBytes)
    {
        SequencePosition start = input.Start;
        SequencePosition end = input.End;
        ReadOnlySequence<byte> payload;
        if (start.GetObject() is ReadOnlySequenceSegment<byte> first && end.GetObject() is ReadOnlySequenceSegment<byte> last)
        {
            int next = start.GetInteger() + frameBytes;
            payload = new ReadOnlySequence<byte>(first, start.GetInteger() + WireProtocol.HeaderBytes, first, next);
            input = new ReadOnlySequence<byte>(first, next, last, end.GetInteger());
        }
        else
        {
            payload = input.Slice(WireProtocol.HeaderBytes, frameBytes - WireProtocol.HeaderBytes);
            input = input.Slice(frameBytes);
        }

        return payload;
    }

    private static int ReadPacketId(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt16BigEndian(bytes[WireProtocol.LengthBytes..]);

    // Unsigned: a set sign bit is a length above 2 GiB, and a length below 2 wraps to a huge one.
    private static bool IsAllowed(uint length, int maxFrameBytes)
        => length - WireProtocol.PacketIdBytes <= (uint)maxFrameBytes - WireProtocol.PacketIdBytes;

    private static int ReadLength(ReadOnlySpan<byte> bytes, int maxFrameBytes, bool isFirstFrame)
    {
        uint length = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        if (!IsAllowed(length, maxFrameBytes))
            Refuse(length, maxFrameBytes, isFirstFrame);
        return (int)length;
    }

    [DoesNotReturn]
    private static void Refuse(uint length, int maxFrameBytes, bool isFirstFrame)
    {
        if (length < WireProtocol.PacketIdBytes)
        {
            throw new ProtocolException(
                CloseReason.FrameTooSmall,
                $"A frame announces {length} bytes, which has no room for the {WireProtocol.PacketIdBytes} bytes of the packet id.");
        }

        string message = $"A frame announces {length} bytes; at most {maxFrameBytes} are read in this state.";
        if (isFirstFrame && ForeignProtocol.Recognize(length) is { } name)
        {
            throw new ProtocolException(CloseReason.FrameTooLarge, $"{message} It looks like {name}: the other side does not speak packetmq.")
            {
                DropSilently = true,
            };
        }

        throw new ProtocolException(CloseReason.FrameTooLarge, message);
    }
}
