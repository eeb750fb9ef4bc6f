using System.Buffers;

namespace PacketMQ.Tests.Support;

/// <summary>The same bytes in every way a network may cut them: whole, in two at every position, byte by byte.</summary>
internal static class Chunked
{
    public static IEnumerable<byte[][]> Ways(byte[] bytes)
    {
        yield return [bytes];
        for (int split = 1; split < bytes.Length; split++)
            yield return [bytes[..split], bytes[split..]];
        if (bytes.Length > 2)
            yield return [.. bytes.Select(b => new[] { b })];
    }

    /// <summary>All of <paramref name="bytes"/> at once, in segments: what a reader sees that has waited.</summary>
    public static void AsSequences(byte[] bytes, Action<ReadOnlySequence<byte>> body) => Each(bytes, chunks => body(Join(chunks)));

    /// <summary>One chunk after the other: what a reader sees that does not wait.</summary>
    public static void AsArrivals(byte[] bytes, Action<byte[][]> body) => Each(bytes, body);

    /// <summary>One sequence with a segment for each chunk.</summary>
    public static ReadOnlySequence<byte> Join(params IEnumerable<byte[]> chunks)
    {
        Segment? first = null;
        Segment? last = null;
        foreach (byte[] chunk in chunks)
        {
            last = last is null ? new Segment(chunk) : last.Append(chunk);
            first ??= last;
        }

        return first is null ? default : new ReadOnlySequence<byte>(first, 0, last!, last!.Memory.Length);
    }

    private static void Each(byte[] bytes, Action<byte[][]> body)
    {
        foreach (byte[][] chunks in Ways(bytes))
        {
            try
            {
                body(chunks);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"With {chunks.Length} chunks, the first of {chunks[0].Length} bytes: {exception.Message}", exception);
            }
        }
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes) => Memory = bytes;

        public Segment Append(byte[] bytes)
        {
            var next = new Segment(bytes) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
