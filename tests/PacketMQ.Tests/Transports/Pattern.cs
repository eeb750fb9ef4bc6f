namespace PacketMQ.Tests.Transports;

/// <summary>Bytes that tell their position in a stream, so that any loss, swap or overwriting shows.</summary>
internal static class Pattern
{
    // A prime length, so that it never falls in step with buffers. Laid out twice, a stretch of it never wraps.
    private const int Period = 65521;
    private static readonly byte[] Twice = Make();

    public static byte[] Bytes(int position, int count)
    {
        byte[] bytes = new byte[count];
        Fill(bytes, position);
        return bytes;
    }

    public static void Fill(Span<byte> bytes, int position)
    {
        for (; !bytes.IsEmpty; bytes = bytes[Math.Min(Period, bytes.Length)..], position += Period)
            Stretch(position, bytes.Length).CopyTo(bytes);
    }

    public static void Check(ReadOnlySpan<byte> bytes, int position, int count)
    {
        Assert.Equal(count, bytes.Length);
        for (; !bytes.IsEmpty; bytes = bytes[Math.Min(Period, bytes.Length)..], position += Period)
        {
            ReadOnlySpan<byte> expected = Stretch(position, bytes.Length);
            int same = expected.CommonPrefixLength(bytes);
            if (same < expected.Length)
                Assert.Fail($"The byte at {position + same} is {bytes[same]}, not {expected[same]}.");
        }
    }

    private static ReadOnlySpan<byte> Stretch(int position, int length)
        => Twice.AsSpan(position % Period, Math.Min(Period, length));

    private static byte[] Make()
    {
        byte[] bytes = new byte[2 * Period];
        new Random(1).NextBytes(bytes.AsSpan(0, Period));
        bytes.AsSpan(0, Period).CopyTo(bytes.AsSpan(Period));
        return bytes;
    }
}
