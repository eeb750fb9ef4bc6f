using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>The stream's part is played: it asks for bytes while what it has gives no data, as an SslStream does.</summary>
public sealed class DatalessRecordsTests
{
    private const int Overhead = 17;
    private const int NewKeys = Overhead + 5;
    private const int Megabyte = 1_024 * 1_024;

    private TlsRecords _records;
    private DatalessRecords _dataless;

    /// <summary>Whole records of a lawful stream, however small and however padded: there is data in each.</summary>
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 15)]
    [InlineData(1, 16_000)]
    [InlineData(100, 155)]
    [InlineData(16_384, 0)]
    public void Data_is_never_refused_however_it_is_padded_and_whether_anything_is_written(int data, int padding)
    {
        _dataless.Begin(Overhead, _records);
        for (int sent = 0; sent < 4 * Megabyte; sent += data + padding)
        {
            Receive(Overhead + data + padding);
            _dataless.NoticeData(data);
        }
    }

    /// <summary>Several records come with one receive, and their data comes out of them one after the other.</summary>
    [Fact]
    public void Data_that_comes_many_records_at_a_time_is_never_refused()
    {
        _dataless.Begin(Overhead, _records);
        for (int i = 0; i < 2_000; i++)
        {
            Assert.Equal(200_000, _dataless.Admit(200_000, _records));
            Take([.. Record(Overhead + 700), .. Record(Overhead + 700), .. Record(Overhead + 700)]);
            for (int j = 0; j < 3; j++)
                _dataless.NoticeData(700);
        }
    }

    [Fact]
    public void Records_without_data_in_a_row_are_refused_after_64_KiB()
    {
        _dataless.Begin(Overhead, _records);
        int bytes = 0;
        var refusal = Assert.Throws<InvalidDataException>(() =>
        {
            for (; bytes < Megabyte; bytes += 5 + NewKeys)
                Receive(NewKeys);
        });
        Assert.InRange(bytes, 64 * 1024, (64 * 1024) + 5 + NewKeys);
        Assert.Equal($"The other side sent {bytes} bytes of TLS with no data in them.", refusal.Message);
    }

    /// <summary>One byte of data between them hides them from the rule for a row.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(1_000)]
    public void Records_without_data_between_others_are_refused_too(int every)
    {
        _dataless.Begin(Overhead, _records);
        int empty = 0;
        var refusal = Assert.Throws<InvalidDataException>(() =>
        {
            for (; empty < Megabyte; empty++)
            {
                Receive(NewKeys);
                if (empty % every != 0)
                    continue;
                Receive(Overhead + 1);
                _dataless.NoticeData(1);
            }
        });
        Assert.InRange(empty, 64 * 1024 / 5, 20_000); // and at most a thousand more, one at a time
        Assert.Contains("1001 records of TLS with no data in them", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>What OpenSSL keeps goes out with it.</summary>
    [Fact]
    public void A_write_forgives_what_came_before()
    {
        _dataless.Begin(Overhead, _records);
        for (int i = 0; i < 100_000; i++)
        {
            Receive(NewKeys);
            if (i % 1_000 != 0)
                continue;
            Receive(Overhead + 1);
            _dataless.NoticeData(1);
            _dataless.NoticeWrite();
        }
    }

    /// <summary>Before TLS 1.3 no length tells what is in a record; a row of them does.</summary>
    [Fact]
    public void Where_the_overhead_is_not_known_only_a_row_is_refused()
    {
        _dataless.Begin(null, _records);
        for (int i = 0; i < 100_000; i++)
        {
            Receive(40);
            Receive(40);
            _dataless.NoticeData(1);
        }

        Assert.Throws<InvalidDataException>(() =>
        {
            for (int i = 0; i < 10_000; i++)
                Receive(40);
        });
    }

    [Fact]
    public void The_handshake_does_not_count()
    {
        for (int i = 0; i < 100; i++)
            Receive(16_000);
        _dataless.Begin(Overhead, _records);
        Receive(Overhead + 1);
    }

    // One record, in as many receives as are admitted, of whatever there is room for.
    private void Receive(int length)
    {
        ReadOnlySpan<byte> rest = Record(length);
        while (!rest.IsEmpty)
        {
            int count = Math.Min(rest.Length, _dataless.Admit(32 * 1024, _records));
            Take(rest[..count]);
            rest = rest[count..];
        }
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        _records.Take(bytes);
        _dataless.Take(bytes.Length, _records);
    }

    private static byte[] Record(int length) => [0x17, 0x03, 0x03, (byte)(length >> 8), (byte)length, .. new byte[length]];
}
