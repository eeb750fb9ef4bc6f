using System.IO.Pipelines;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>How a stream ends, the same on every transport.</summary>
public abstract class TransportEndsContract : TransportBytesContract
{
    /// <summary>A Unix socket has no reset: there an abort can look like an end of stream on the other side.</summary>
    private protected virtual bool AbortIsAnErrorOnTheOtherSide => true;

    [Fact]
    public async Task A_half_closed_stream_still_flows_the_other_way()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            await left.Output.CompleteAsync();
            Assert.Empty(await right.Input.ReadToEndAsync().Soon());
            Task<byte[]> read = left.Input.ReadToEndAsync();
            await right.Output.WriteAsync(Pattern.Bytes(0, 200_000), Cancelled).Soon();
            await right.Output.CompleteAsync();
            Pattern.Check(await read.Soon(), 0, 200_000);
        }
    }

    [Fact]
    public async Task The_end_of_the_stream_is_told_again_and_again()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            await left.Output.CompleteAsync();
            for (int i = 0; i < 3; i++)
            {
                ReadResult result = await right.Input.ReadAsync(Cancelled).Soon();
                Assert.True(result.IsCompleted);
                right.Input.AdvanceTo(result.Buffer.End);
            }
        }
    }

    [Fact]
    public async Task An_abort_ends_pending_reads_on_both_sides()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            Task<ReadResult> here = left.Input.ReadAsync(Cancelled).AsTask();
            Task<ReadResult> there = right.Input.ReadAsync(Cancelled).AsTask();
            Assert.False(here.IsCompleted || there.IsCompleted);
            left.Abort();
            await Assert.ThrowsAsync<IOException>(() => here.Soon());
            if (AbortIsAnErrorOnTheOtherSide)
                await Assert.ThrowsAsync<IOException>(() => there.Soon());
            else
                await EndsAsync(there);
        }
    }

    [Fact]
    public async Task An_abort_ends_pending_writes_on_both_sides()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            (Task here, _) = await left.Output.WriteUntilPendingAsync();
            (Task there, _) = await right.Output.WriteUntilPendingAsync();
            left.Abort();
            await Assert.ThrowsAsync<IOException>(() => here.Soon());
            await Assert.ThrowsAsync<IOException>(() => there.Soon());
        }
    }

    [Fact]
    public async Task After_an_abort_everything_fails_even_reads_of_what_had_arrived()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            await right.Output.WriteAsync(Pattern.Bytes(0, 10), Cancelled);
            ReadResult result = await left.Input.ReadAsync(Cancelled).Soon();
            left.Input.AdvanceTo(result.Buffer.Start);
            left.Abort();
            left.Abort();
            await Assert.ThrowsAsync<IOException>(() => left.Input.ReadAsync(Cancelled).Soon());
            await Assert.ThrowsAsync<IOException>(() => left.Output.WriteAsync(new byte[1], Cancelled).Soon());
            left.Input.Complete();
            await left.Output.CompleteAsync();
        }
    }

    [Fact]
    public async Task Disposing_ends_the_stream_for_a_reader_and_in_time_for_a_writer_on_the_other_side()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (right)
        {
            await left.Output.WriteAsync(Pattern.Bytes(0, 1000), Cancelled);
            await left.DisposeAsync();
            await left.DisposeAsync();
            Pattern.Check(await right.Input.ReadToEndAsync().Soon(), 0, 1000);
            await Assert.ThrowsAsync<IOException>(async () =>
            {
                while (true)
                    await right.Output.WriteAsync(Pattern.Bytes(0, 1000), Cancelled);
            }).Soon();
        }
    }

    [Fact]
    public async Task Disposing_ends_a_pending_read_and_a_pending_write()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (right)
        {
            Task<ReadResult> read = left.Input.ReadAsync(Cancelled).AsTask();
            (Task write, _) = await left.Output.WriteUntilPendingAsync();
            await left.DisposeAsync();
            await Assert.ThrowsAsync<IOException>(() => read.Soon());
            await Assert.ThrowsAsync<IOException>(() => write.Soon());
            await Assert.ThrowsAsync<IOException>(() => left.Input.ReadAsync(Cancelled).Soon());
        }
    }

    private static async Task EndsAsync(Task<ReadResult> read)
    {
        try
        {
            Assert.True((await read.Soon()).IsCompleted);
        }
        catch (IOException)
        {
            // An error is an end as well.
        }
    }
}
