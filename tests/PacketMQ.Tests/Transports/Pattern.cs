namespace PacketMQ.Tests.Transports;

/// <summary>Bytes that tell their position in a stream, so that any loss, swap or overwriting shows.</summary>
internal static class Pattern
{
    public static byte[] Bytes(int position, int count)
    {
        byte[] bytes = new byte[count];
        Fill(bytes, position);
        return bytes;
    }

    public static void Fill(Span<byte> bytes, int position)
    {
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = At(position + i);
    }

    public static void Check(ReadOnlySpan<byte> bytes, int position, int count)
    {
        Assert.Equal(count, bytes.Length);
        for (int i = 0; i < bytes.Length; i++)
        {
            if (bytes[i] != At(position + i))
                Assert.Fail($"The byte at {position + i} is {bytes[i]}, not {At(position + i)}.");
        }
    }

    private static byte At(int position) => (byte)(((uint)position * 2654435761u) >> 19);
}
