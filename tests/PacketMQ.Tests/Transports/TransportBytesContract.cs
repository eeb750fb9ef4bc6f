using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>How bytes travel, the same on every transport.</summary>
public abstract class TransportBytesContract
{
    private protected static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    private protected abstract ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Bytes_arrive_in_order_and_whole_at_any_chunking_in_both_directions(int seed)
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            const int Count = 3 * 1024 * 1024 + 17;
            await Task.WhenAll(
                WriteChunksAsync(left.Output, new Random(seed), Count),
                WriteChunksAsync(right.Output, new Random(seed + 100), Count),
                ReadChunksAsync(left.Input, new Random(seed + 200), Count),
                ReadChunksAsync(right.Input, new Random(seed + 300), Count)).Soon();
        }
    }

    [Fact]
    public async Task A_single_byte_and_an_empty_write_arrive_as_one_byte()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            await left.Output.WriteAsync(ReadOnlyMemory<byte>.Empty, Cancelled);
            await left.Output.WriteAsync(new byte[] { 7 }, Cancelled);
            await left.Output.CompleteAsync();
            Assert.Equal([7], await right.Input.ReadToEndAsync().Soon());
        }
    }

    [Fact]
    public async Task Completing_flushes_what_was_advanced_and_ends_the_stream_after_it()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            Task<byte[]> read = right.Input.ReadToEndAsync();
            await left.Output.WriteAsync(Pattern.Bytes(0, 100_000), Cancelled).Soon();
            Pattern.Fill(left.Output.GetSpan(5000)[..5000], 100_000);
            left.Output.Advance(5000);
            await left.Output.CompleteAsync().Soon();
            Pattern.Check(await read.Soon(), 0, 105_000);
        }
    }

    [Fact]
    public async Task A_slice_held_while_reading_ahead_stays_intact()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            const int Count = 1024 * 1024;
            Task write = WriteChunksAsync(left.Output, new Random(5), Count);
            ReadResult result = await right.Input.ReadAsync(Cancelled).Soon();
            ReadOnlySequence<byte> held = result.Buffer;
            long heldLength = held.Length;
            long total = heldLength;
            while (total < Count)
            {
                right.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                result = await right.Input.ReadAsync(Cancelled).Soon();
                Assert.True(result.Buffer.Length > total, "A read without news.");
                total = result.Buffer.Length;
            }

            await write.Soon();
            Pattern.Check(held.ToArray(), 0, (int)heldLength);
            Pattern.Check(result.Buffer.ToArray(), 0, Count);
            right.Input.AdvanceTo(result.Buffer.End);
        }
    }

    [Fact]
    public async Task Reading_ahead_waits_for_new_bytes()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            await left.Output.WriteAsync(Pattern.Bytes(0, 3), Cancelled);
            ReadResult result = await right.Input.ReadAsync(Cancelled).Soon();
            Assert.Equal(3, result.Buffer.Length);
            right.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            Assert.False(right.Input.TryRead(out _));
            Task<ReadResult> pending = right.Input.ReadAsync(Cancelled).AsTask();
            Assert.False(pending.IsCompleted);
            await left.Output.WriteAsync(Pattern.Bytes(3, 1), Cancelled);
            result = await pending.Soon();
            Pattern.Check(result.Buffer.ToArray(), 0, 4);
            right.Input.AdvanceTo(result.Buffer.End);
        }
    }

    [Fact]
    public async Task Bytes_that_were_not_examined_are_read_again_at_once()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            await left.Output.WriteAsync(Pattern.Bytes(0, 10), Cancelled);
            ReadResult result = await right.Input.ReadAsync(Cancelled).Soon();
            right.Input.AdvanceTo(result.Buffer.GetPosition(4));
            ValueTask<ReadResult> again = right.Input.ReadAsync(Cancelled);
            Assert.True(again.IsCompleted);
            result = await again;
            Pattern.Check(result.Buffer.ToArray(), 4, 6);
            right.Input.AdvanceTo(result.Buffer.End);
        }
    }

    [Fact]
    public async Task A_write_to_a_peer_that_does_not_read_stays_pending_until_it_reads()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            (Task pending, long written) = await left.Output.WriteUntilPendingAsync();
            Task<int> read = ReadChunksAsync(right.Input, new Random(9), (int)written);
            await pending.Soon();
            await read.Soon();
        }
    }

    private static async Task WriteChunksAsync(PipeWriter writer, Random random, int count)
    {
        await Task.Yield();
        for (int position = 0; position < count;)
        {
            // As many small writes as large ones: 1 byte to 1 MiB, evenly over the powers of two.
            int length = Math.Min(count - position, random.Next(1 << random.Next(21)) + 1);
            if (random.Next(2) == 0)
            {
                await writer.WriteAsync(Pattern.Bytes(position, length), Cancelled);
            }
            else
            {
                Pattern.Fill(writer.GetSpan(length)[..length], position);
                writer.Advance(length);
                await writer.FlushAsync(Cancelled);
            }

            position += length;
        }
    }

    private static async Task<int> ReadChunksAsync(PipeReader reader, Random random, int count)
    {
        await Task.Yield();
        int position = 0;
        while (position < count)
        {
            ReadResult result = await reader.ReadAsync(Cancelled);
            ReadOnlySequence<byte> bytes = result.Buffer;
            Assert.False(bytes.IsEmpty);
            int taken = random.Next(3) == 0 ? (int)random.NextInt64(bytes.Length + 1) : (int)bytes.Length;
            ReadOnlySequence<byte> consumed = bytes.Slice(0, taken);
            Pattern.Check(consumed.ToArray(), position, taken);
            position += taken;
            // With everything examined and bytes left over, only bytes that are still to come can end the next read.
            bool ahead = position + (bytes.Length - taken) < count && random.Next(2) == 0;
            reader.AdvanceTo(consumed.End, ahead ? bytes.End : consumed.End);
        }

        return position;
    }
}
