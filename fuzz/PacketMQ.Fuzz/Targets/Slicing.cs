using System.Buffers;

namespace PacketMQ.Fuzz.Targets;

/// <summary>The ways in which a network may cut bytes: 0 whole, 1 byte by byte, any other number a mixture, with empty pieces.</summary>
internal static class Slicing
{
    public const int Whole = 0;
    public const int ByteByByte = 1;

    public static List<ReadOnlyMemory<byte>> Cut(ReadOnlyMemory<byte> bytes, int way)
    {
        if (way == Whole)
            return [bytes];
        var pieces = new List<ReadOnlyMemory<byte>>();
        uint state = (uint)way;
        while (!bytes.IsEmpty)
        {
            int length = 1;
            if (way != ByteByByte)
            {
                state = (state * 1_664_525) + 1_013_904_223;
                length = (int)(state >> 24) % ((way % 37) + 2);
            }

            length = Math.Min(length, bytes.Length);
            pieces.Add(bytes[..length]);
            bytes = bytes[length..];
        }

        return pieces;
    }

    /// <summary>All at once, in segments: what a reader sees that has waited.</summary>
    public static ReadOnlySequence<byte> Segments(ReadOnlyMemory<byte> bytes, int way)
    {
        if (way == Whole)
            return new ReadOnlySequence<byte>(bytes);
        var arrivals = new Arrivals();
        foreach (ReadOnlyMemory<byte> piece in Cut(bytes, way))
            arrivals.Add(piece);
        return arrivals.Unread;
    }

    /// <summary>One piece after the other: what a reader sees that does not wait.</summary>
    internal sealed class Arrivals
    {
        private Piece? _first;
        private Piece? _last;
        private int _start;

        public ReadOnlySequence<byte> Unread
            => _first is null ? default : new ReadOnlySequence<byte>(_first, _start, _last!, _last!.Memory.Length);

        public void Add(ReadOnlyMemory<byte> piece)
        {
            _last = _last is null ? new Piece(piece, 0) : _last.Append(piece);
            _first ??= _last;
        }

        /// <summary>Forgets what is before the rest, which is the end of <see cref="Unread"/>.</summary>
        public void KeepFrom(in ReadOnlySequence<byte> rest)
        {
            if (rest.IsEmpty)
            {
                (_first, _last, _start) = (null, null, 0);
                return;
            }

            _first = (Piece)rest.Start.GetObject()!;
            _start = rest.Start.GetInteger();
        }
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, long runningIndex)
        {
            Memory = memory;
            RunningIndex = runningIndex;
        }

        public Piece Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Piece(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
