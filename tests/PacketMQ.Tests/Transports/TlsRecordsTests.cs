using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

public sealed class TlsRecordsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void However_a_stream_is_cut_the_last_record_shows_as_incomplete(int seed)
    {
        var random = new Random(seed);
        int[] lengths = [0, 1, 2, 300, 16_384 + 256, 16_384 + 2_048, 0, 0, random.Next(2_000), random.Next(20_000), 5];
        byte[] stream = [.. lengths.SelectMany(Record)];
        var records = new TlsRecords();
        for (int at = 0; at < stream.Length;)
        {
            int count = Math.Min(random.Next(random.Next(2) == 0 ? 8 : 30_000), stream.Length - at);
            records.Take(stream.AsSpan(at, count));
            at += count;
            Assert.Equal(Incomplete(lengths, at), records.IncompleteBytes);
        }

        Assert.Equal(0, records.IncompleteBytes);
        Assert.Equal((lengths.Length, lengths.Sum()), (records.Count, records.Lengths));
    }

    [Fact]
    public void Who_takes_no_more_than_until_the_boundary_gets_one_header_and_one_record_at_a_time()
    {
        int[] lengths = [3, 0, 16_384, 0, 1];
        byte[] stream = [.. lengths.SelectMany(Record)];
        var records = new TlsRecords();
        var steps = new List<int>();
        for (int at = 0; at < stream.Length; at += steps[^1])
        {
            steps.Add(records.UntilBoundary);
            records.Take(stream.AsSpan(at, steps[^1]));
        }

        Assert.Equal([5, 3, 5, 5, 16_384, 5, 5, 1], steps);
        records.Take(stream.AsSpan(0, 2));
        Assert.Equal(3, records.UntilBoundary);
        records.Take(stream.AsSpan(2, 4));
        Assert.Equal((2, 6), (records.UntilBoundary, records.IncompleteBytes));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(1_000)]
    public void A_hello_as_SSL_2_had_it_is_known_as_the_first_record_only(int step)
    {
        byte[] hello = [0x81, 0x02, .. new byte[0x102]];
        byte[] strange = [0x96, 0x03, 0x03, 0x00, 0x01, 0x07];
        var records = new TlsRecords();
        foreach (byte[] part in hello.Chunk(step))
            records.Take(part);
        Assert.Equal(0, records.IncompleteBytes);
        records.Take(strange.AsSpan(0, 5));
        Assert.Equal(5, records.IncompleteBytes);
        records.Take(strange.AsSpan(5));
        Assert.Equal(0, records.IncompleteBytes);
    }

    [Theory]
    [InlineData("17 03 03 48 01")]
    [InlineData("17 03 03 ff ff")]
    [InlineData("3f 00 01 03 00")]
    [InlineData("15 02")]
    public void What_an_SslStream_would_wait_for_too_long_or_read_otherwise_is_refused(string header)
    {
        byte[] bytes = Convert.FromHexString(header.Replace(" ", "", StringComparison.Ordinal));
        var records = new TlsRecords();
        records.Take(Record(3));
        Assert.Throws<InvalidDataException>(() => records.Take(bytes));
        Assert.Throws<InvalidDataException>(() => records.Take(Record(3)));
    }

    [Fact]
    public void A_first_record_of_a_handshake_is_no_longer_than_others_and_what_is_no_TLS_at_all_is_left_to_the_handshake()
    {
        var records = new TlsRecords();
        Assert.Throws<InvalidDataException>(() => records.Take([0x16, 0x03, 0x01, 0xff, 0xff]));
        var strange = new TlsRecords();
        strange.Take("GET / HTTP/1.1"u8);
        Assert.NotEqual(0, strange.IncompleteBytes);
    }

    private static byte[] Record(int length) => [0x17, 0x03, 0x03, (byte)(length >> 8), (byte)length, .. Enumerable.Repeat((byte)0xee, length)];

    private static int Incomplete(int[] lengths, int arrived)
    {
        foreach (int length in lengths)
        {
            if (arrived < 5 + length)
                return arrived;
            arrived -= 5 + length;
        }

        return arrived;
    }
}
