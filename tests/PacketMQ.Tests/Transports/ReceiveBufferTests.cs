using System.Buffers;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

public sealed class ReceiveBufferTests
{
    private readonly PoisoningPool _pool = new();
    private int _received;
    private int _consumed;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_is_received_and_consumed_the_rest_stays_where_it_is(int seed)
    {
        var random = new Random(seed);
        var buffer = new ReceiveBuffer(_pool);
        for (int i = 0; i < 20_000; i++)
        {
            if (random.Next(3) > 0)
            {
                Receive(ref buffer, random.Next(2) == 0 ? int.MaxValue : 1 + random.Next(2000));
                Assert.True(buffer.HasUnexaminedBytes);
            }

            ReadOnlySequence<byte> bytes = buffer.Bytes;
            Pattern.Check(bytes.ToArray(), _consumed, _received - _consumed);
            int count = random.Next(4) switch { 0 => 0, 1 => (int)bytes.Length, _ => (int)random.NextInt64(bytes.Length + 1) };
            buffer.Advance(bytes.GetPosition(count), bytes.End);
            _consumed += count;
            Assert.False(buffer.HasUnexaminedBytes);
            Assert.Equal(_received == _consumed, buffer.IsEmpty);
            if (random.Next(10) == 0)
            {
                buffer.ReturnEmptyArrays();
                Assert.True(!buffer.IsEmpty || _pool.Lent == 0);
            }
        }

        buffer.Clear();
        Assert.Equal(0, _pool.Lent);
    }

    [Fact]
    public void Steady_full_receives_touch_the_pool_only_until_the_arrays_have_grown()
    {
        var buffer = new ReceiveBuffer(_pool);
        for (int i = 0; i < 1000; i++)
        {
            Receive(ref buffer, int.MaxValue);
            // A frame that was cut off at the end of each receive.
            buffer.Advance(buffer.Bytes.GetPosition(buffer.Bytes.Length - 7), buffer.Bytes.End);
        }

        Assert.InRange(_pool.Rents, 1, 6);
        Assert.InRange(_pool.LentBytes, 1, 2 * ReceiveBuffer.LargestArray);
    }

    [Fact]
    public void A_few_bytes_pin_the_smallest_array_and_no_array_is_larger_than_the_largest()
    {
        var buffer = new ReceiveBuffer(_pool);
        Receive(ref buffer, 3);
        Assert.Equal(ReceiveBuffer.SmallestArray, _pool.LentBytes);
        for (int i = 0; i < 100; i++)
            Receive(ref buffer, int.MaxValue);
        Assert.True(_pool.LentBytes <= _received + ReceiveBuffer.LargestArray, "More memory than what arrived, and one step.");
    }

    [Fact]
    public void Arrays_shrink_again_when_little_arrives()
    {
        var buffer = new ReceiveBuffer(_pool);
        for (int i = 0; i < 10; i++)
            Receive(ref buffer, int.MaxValue);
        buffer.Advance(buffer.Bytes.End, buffer.Bytes.End);
        for (int i = 0; i < 4; i++)
        {
            Receive(ref buffer, 10);
            buffer.Advance(buffer.Bytes.End, buffer.Bytes.End);
            buffer.ReturnEmptyArrays();
            Assert.Equal(0, _pool.Lent);
        }

        Receive(ref buffer, 10);
        Assert.Equal(ReceiveBuffer.SmallestArray, _pool.LentBytes);
    }

    [Fact]
    public void No_more_segments_are_kept_for_others_than_allowed()
    {
        var buffers = new ReceiveBuffer[3 * ReceiveSegment.MostKept];
        for (int i = 0; i < buffers.Length; i++)
        {
            buffers[i] = new ReceiveBuffer(_pool);
            Receive(ref buffers[i], 1);
        }

        for (int i = 0; i < buffers.Length; i++)
        {
            buffers[i].Clear();
            Assert.InRange(ReceiveSegment.Kept, 0, ReceiveSegment.MostKept);
        }

        Assert.Equal(0, _pool.Lent);
    }

    [Fact]
    public void Positions_that_are_not_of_these_bytes_are_refused()
    {
        var buffer = new ReceiveBuffer(_pool);
        Receive(ref buffer, 10);
        ReadOnlySequence<byte> bytes = buffer.Bytes;
        Assert.Throws<ArgumentException>(() => buffer.Advance(default, default));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Advance(bytes.End, bytes.Start));
        buffer.Advance(bytes.GetPosition(5), bytes.End);
        Assert.Throws<ArgumentOutOfRangeException>(() => buffer.Advance(bytes.Start, bytes.End));
    }

    private void Receive(ref ReceiveBuffer buffer, int count)
    {
        Span<byte> space = buffer.GetFreeSpace();
        Assert.False(space.IsEmpty);
        count = Math.Min(count, space.Length);
        Pattern.Fill(space[..count], _received);
        buffer.Fill(count);
        _received += count;
    }
}
