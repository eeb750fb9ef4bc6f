using System.Buffers;
using PacketMQ.Connections;
using PacketMQ.Wire;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// What arrives behind a busy handler. The first byte chooses how many bytes of it are handled already, the second the slicing. Whether there is a
/// softquit depends on the bytes only, not on how they are cut; where the frame reader sees frames, it is one of them.
/// </summary>
internal static class ReadAheadTarget
{
    private const int HandledChoices = 16;

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        int handled = Math.Min(input.Span[0] % HandledChoices, input.Length - 2);
        int way = input.Span[1];
        input = input[2..];

        bool expected = Expect(input.Span[handled..]);
        Compare(expected, FindsInArrivals([input], handled), "whole");
        Compare(expected, FindsInArrivals(Slicing.Cut(input, way), handled), "sliced");
        if (input.Length <= 64)
            Compare(expected, FindsInArrivals(Slicing.Cut(input, Slicing.ByteByByte), handled), "byte by byte");
        Compare(expected, new ReadAhead(handled).FindsSoftQuit(Slicing.Segments(input, way)), "in segments");
        CompareWithFrameReader(expected, new ReadOnlySequence<byte>(input[handled..]));
    }

    private static void Compare(bool expected, bool found, string how)
        => Invariant.Holds(expected == found, $"A softquit is {(found ? "" : "not ")}found in what arrived {how}, and is {(expected ? "" : "not ")}there.");

    /// <summary>From the protocol page: a length, 4 bytes, then so many bytes, which begin with the id.</summary>
    private static bool Expect(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length >= 6)
        {
            if (bytes[4] == 0 && bytes[5] == 1)
                return true;
            long frame = 4 + (((long)bytes[0] << 24) | ((long)bytes[1] << 16) | ((long)bytes[2] << 8) | bytes[3]);
            if (frame > bytes.Length)
                return false;
            bytes = bytes[(int)frame..];
        }

        return false;
    }

    private static bool FindsInArrivals(List<ReadOnlyMemory<byte>> pieces, int handled)
    {
        var ahead = new ReadAhead(handled);
        var arrivals = new Slicing.Arrivals();
        foreach (ReadOnlyMemory<byte> piece in pieces)
        {
            arrivals.Add(piece);
            if (ahead.FindsSoftQuit(arrivals.Unread))
                return true;
        }

        return false;
    }

    /// <summary>The two see the same frames up to one that the frame reader refuses: there its stream ends.</summary>
    private static void CompareWithFrameReader(bool found, ReadOnlySequence<byte> rest)
    {
        try
        {
            while (FrameReader.TryRead(ref rest, int.MaxValue, isFirstFrame: false, out int packetId, out _))
            {
                if (packetId != WireProtocol.SoftQuitId)
                    continue;
                Invariant.Holds(found, "The frame reader sees a softquit that reading ahead does not.");
                return;
            }

            bool begins = rest.Length >= WireProtocol.HeaderBytes && rest.ToArray() is [_, _, _, _, 0, WireProtocol.SoftQuitId, ..];
            Invariant.Holds(found == begins, "Reading ahead does not see the frames that the frame reader sees.");
        }
        catch (ProtocolException)
        {
            // The session refuses it, when its turn comes.
        }
    }
}
