using System.Buffers;
using System.Buffers.Binary;
using PacketMQ.Wire;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// Frames of a stream. The first byte chooses the limit, the second the slicing. The span reader, the sequence reader and a reader
/// that follows the protocol page word for word must see the same frames and the same end, however the stream is cut.
/// </summary>
internal static class FrameTarget
{
    private static readonly int[] Limits = [2, 3, 16, 255, 4_096, 99_999, 1_048_576, int.MaxValue];

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        int limit = Limits[input.Span[0] & 7];
        bool first = (input.Span[0] & 8) != 0;
        int way = input.Span[1];
        input = input[2..];

        var expected = new ArrayBufferWriter<byte>(256);
        Expect(input.Span, limit, expected);
        Compare(expected, "the spans' reader", log => ReadSpans(input, limit, log));
        Compare(expected, "the sequences' reader", log => ReadArrivals([input], limit, first, log));
        Compare(expected, "the sequences' reader, sliced", log => ReadArrivals(Slicing.Cut(input, way), limit, first, log));
        if (input.Length <= 64)
            Compare(expected, "the sequences' reader, byte by byte", log => ReadArrivals(Slicing.Cut(input, Slicing.ByteByByte), limit, first, log));
        Compare(expected, "the first segment's reader", log => ReadFirstSegments(Slicing.Segments(input, way), limit, log));
    }

    private static void Compare(ArrayBufferWriter<byte> expected, string reader, Action<ArrayBufferWriter<byte>> read)
    {
        var log = new ArrayBufferWriter<byte>(256);
        read(log);
        Invariant.Holds(log.WrittenSpan.SequenceEqual(expected.WrittenSpan), $"Other frames than expected came out of {reader}.");
    }

    private static void Expect(ReadOnlySpan<byte> bytes, int limit, ArrayBufferWriter<byte> log)
    {
        while (bytes.Length >= 4)
        {
            long length = ((long)bytes[0] << 24) | ((long)bytes[1] << 16) | ((long)bytes[2] << 8) | bytes[3];
            if (length < 2 || length > limit)
            {
                LogEnd(log, length < 2 ? CloseReason.FrameTooSmall : CloseReason.FrameTooLarge);
                return;
            }

            if (bytes.Length - 4 < length)
                break;
            LogFrame(log, (bytes[4] << 8) | bytes[5], bytes[6..(4 + (int)length)]);
            bytes = bytes[(4 + (int)length)..];
        }

        LogRest(log, bytes.Length);
    }

    private static void ReadSpans(ReadOnlyMemory<byte> input, int limit, ArrayBufferWriter<byte> log)
    {
        ReadOnlySpan<byte> bytes = input.Span;
        try
        {
            while (FrameReader.TryRead(bytes, limit, out int frameBytes, out int packetId))
            {
                LogFrame(log, packetId, bytes[WireProtocol.HeaderBytes..frameBytes]);
                bytes = bytes[frameBytes..];
            }
        }
        catch (ProtocolException e)
        {
            LogEnd(log, e.Reason);
            return;
        }

        FinishFrom(new ReadOnlySequence<byte>(input[^bytes.Length..]), limit, log);
    }

    private static void ReadArrivals(List<ReadOnlyMemory<byte>> pieces, int limit, bool first, ArrayBufferWriter<byte> log)
    {
        var arrivals = new Slicing.Arrivals();
        foreach (ReadOnlyMemory<byte> piece in pieces)
        {
            arrivals.Add(piece);
            ReadOnlySequence<byte> rest = arrivals.Unread;
            try
            {
                while (FrameReader.TryRead(ref rest, limit, first, out int packetId, out ReadOnlySequence<byte> payload))
                {
                    LogFrame(log, packetId, payload.ToArray());
                    first = false;
                }
            }
            catch (ProtocolException e)
            {
                LogEnd(log, e.Reason);
                return;
            }

            arrivals.KeepFrom(rest);
        }

        LogRest(log, arrivals.Unread.Length);
    }

    private static void ReadFirstSegments(ReadOnlySequence<byte> rest, int limit, ArrayBufferWriter<byte> log)
    {
        try
        {
            while (true)
            {
                if (FrameReader.TryRead(rest.FirstSpan, limit, out int frameBytes, out int packetId))
                {
                    ReadOnlySequence<byte> payload = FrameReader.TakePayload(ref rest, frameBytes);
                    LogFrame(log, packetId, payload.ToArray());
                }
                else if (FrameReader.TryRead(ref rest, limit, isFirstFrame: false, out packetId, out ReadOnlySequence<byte> payload))
                {
                    LogFrame(log, packetId, payload.ToArray());
                }
                else
                {
                    LogRest(log, rest.Length);
                    return;
                }
            }
        }
        catch (ProtocolException e)
        {
            LogEnd(log, e.Reason);
        }
    }

    /// <summary>The span's reader leaves a length without an id to the sequences' reader.</summary>
    private static void FinishFrom(ReadOnlySequence<byte> rest, int limit, ArrayBufferWriter<byte> log)
    {
        try
        {
            bool found = FrameReader.TryRead(ref rest, limit, isFirstFrame: false, out _, out _);
            Invariant.Holds(!found, "The sequences' reader finds a frame where the spans' reader finds none.");
            LogRest(log, rest.Length);
        }
        catch (ProtocolException e)
        {
            LogEnd(log, e.Reason);
        }
    }

    private static void LogFrame(ArrayBufferWriter<byte> log, int packetId, ReadOnlySpan<byte> payload)
    {
        Write(log, 'F', packetId);
        Write(log, 'L', payload.Length);
        log.Write(payload);
    }

    private static void LogEnd(ArrayBufferWriter<byte> log, CloseReason reason) => Write(log, 'E', reason == CloseReason.FrameTooSmall ? 1 : 2);

    private static void LogRest(ArrayBufferWriter<byte> log, long bytes) => Write(log, 'R', (int)bytes);

    private static void Write(ArrayBufferWriter<byte> log, char what, int number)
    {
        Span<byte> entry = log.GetSpan(5);
        entry[0] = (byte)what;
        BinaryPrimitives.WriteInt32LittleEndian(entry[1..], number);
        log.Advance(5);
    }
}
