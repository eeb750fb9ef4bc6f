using System.Buffers;
using System.Diagnostics;
using System.IO.Pipelines;
using System.Reflection;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>How a stream is interrupted and used from many threads, the same on every transport; with its bases, the whole contract.</summary>
public abstract class TransportContract : TransportEndsContract
{
    private protected virtual bool KeepsTheRestOfACancelledWrite => true;

    private protected virtual bool AllocatesPerMessage => false;

    private static bool IsDebugBuild
        => typeof(TransportConnection).Assembly.GetCustomAttribute<DebuggableAttribute>() is { IsJITOptimizerDisabled: true };

    [Fact]
    public async Task Cancelling_wakes_the_pending_read_or_else_the_next_one_and_loses_nothing()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            for (int i = 0; i < 20; i++)
            {
                Task<ReadResult> pending = right.Input.ReadAsync(Cancelled).AsTask();
                Assert.False(pending.IsCompleted);
                right.Input.CancelPendingRead();
                await AssertCanceledAsync(pending);
                right.Input.CancelPendingRead();
                await AssertCanceledAsync(right.Input.ReadAsync(Cancelled).AsTask());
                await left.Output.WriteAsync(Pattern.Bytes(i, 1), Cancelled);
                Pattern.Check(await right.Input.ReadExactlyAsync(1).Soon(), i, 1);
            }
        }

        async Task AssertCanceledAsync(Task<ReadResult> read)
        {
            ReadResult result = await read.Soon();
            Assert.True(result.IsCanceled);
            right.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }

    [Fact]
    public async Task A_cancelled_token_ends_the_wait_and_not_the_stream()
    {
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            using var cancellation = new CancellationTokenSource();
            Task<ReadResult> pending = right.Input.ReadAsync(cancellation.Token).AsTask();
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pending.Soon());
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => right.Input.ReadAsync(cancellation.Token).Soon());
            await left.Output.WriteAsync(Pattern.Bytes(0, 5), Cancelled);
            Pattern.Check(await right.Input.ReadExactlyAsync(5).Soon(), 0, 5);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_cancelling_that_races_with_an_arrival_ends_one_read_and_loses_nothing(int seed)
    {
        const int Count = 3_000;
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            int cancelled = 0;
            Task write = Task.Run(async () =>
            {
                var random = new Random(seed);
                for (int i = 0; i < Count; i++)
                {
                    await left.Output.WriteAsync(Pattern.Bytes(i, 1), Cancelled);
                    Thread.SpinWait(random.Next(1_000));
                }
            }, Cancelled);
            Task cancel = Task.Run(() =>
            {
                var random = new Random(seed + 100);
                while (!write.IsCompleted)
                {
                    right.Input.CancelPendingRead();
                    cancelled++;
                    Thread.SpinWait(random.Next(1_000));
                }
            }, Cancelled);
            await Task.Run(async () =>
            {
                int answered = 0;
                for (int position = 0; position < Count;)
                {
                    ReadResult result = await right.Input.ReadAsync(Cancelled);
                    Assert.True(result.IsCanceled || !result.Buffer.IsEmpty, "A read ended for nothing.");
                    answered += result.IsCanceled ? 1 : 0;
                    Pattern.Check(result.Buffer.ToArray(), position, (int)result.Buffer.Length);
                    position += (int)result.Buffer.Length;
                    right.Input.AdvanceTo(result.Buffer.End);
                }

                await cancel;
                Assert.InRange(answered, 1, cancelled);
            }, Cancelled).Soon();
            await write;
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task A_token_that_races_with_an_arrival_ends_one_read_and_loses_nothing(int seed)
    {
        const int Count = 1_000;
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            var random = new Random(seed);
            for (int i = 0; i < Count; i++)
            {
                using var cancellation = new CancellationTokenSource();
                Task<ReadResult> read = right.Input.ReadAsync(cancellation.Token).AsTask();
                int writesAfter = random.Next(500), cancelsAfter = random.Next(500);
                Task write = Task.Run(() => { Thread.SpinWait(writesAfter); return left.Output.WriteAsync(Pattern.Bytes(i, 1), Cancelled).AsTask(); }, Cancelled);
                Thread.SpinWait(cancelsAfter);
                cancellation.Cancel();
                ReadResult result;
                try
                {
                    result = await read.Soon();
                }
                catch (OperationCanceledException)
                {
                    result = await right.Input.ReadAsync(Cancelled).Soon();
                }

                if (result.IsCanceled && result.Buffer.IsEmpty) // how the runtime's own reader of streams may tell it
                {
                    right.Input.AdvanceTo(result.Buffer.End);
                    result = await right.Input.ReadAsync(Cancelled).Soon();
                }

                Pattern.Check(result.Buffer.ToArray(), i, 1);
                right.Input.AdvanceTo(result.Buffer.End);
                await write;
            }
        }
    }

    [Fact]
    public async Task Cancelling_wakes_a_pending_write_and_what_it_had_not_sent_goes_out_later()
    {
        Assert.SkipUnless(KeepsTheRestOfACancelledWrite, "This pipe tears a cancelled write.");
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            (Task pending, long written) = await left.Output.WriteUntilPendingAsync();
            left.Output.CancelPendingFlush();
            FlushResult result = await ((Task<FlushResult>)pending).Soon();
            Assert.True(result.IsCanceled);

            using var cancellation = new CancellationTokenSource();
            Task<FlushResult> second = left.Output.WriteAsync(Pattern.Bytes((int)written, 1000), cancellation.Token).AsTask();
            await cancellation.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.Soon());

            Task<byte[]> read = right.Input.ReadToEndAsync();
            await left.Output.FlushAsync(Cancelled).Soon();
            await left.Output.CompleteAsync();
            Pattern.Check(await read.Soon(), 0, (int)written + 1000);
        }
    }

    [Fact]
    public async Task Aborting_disposing_and_cancelling_from_many_threads_at_once_harms_nobody()
    {
        for (int round = 0; round < 60; round++)
        {
            (TransportConnection left, TransportConnection right) = await ConnectAsync();
            using var start = new ManualResetEventSlim();
            Task[] tasks =
            [
                EndsInOrderAsync(() => ReadForeverAsync(left.Input)),
                EndsInOrderAsync(() => ReadForeverAsync(right.Input)),
                EndsInOrderAsync(() => WriteForeverAsync(left.Output)),
                EndsInOrderAsync(() => WriteForeverAsync(right.Output)),
                Task.Run(() => { start.Wait(Cancelled); Repeat(left.Input.CancelPendingRead); Repeat(right.Output.CancelPendingFlush); }, Cancelled),
                Task.Run(() => { start.Wait(Cancelled); Repeat(right.Input.CancelPendingRead); left.Abort(); }, Cancelled),
                Task.Run(async () => { start.Wait(Cancelled); Repeat(left.Output.CancelPendingFlush); await left.DisposeAsync(); }, Cancelled),
                Task.Run(async () => { start.Wait(Cancelled); left.Abort(); await right.DisposeAsync(); right.Abort(); }, Cancelled),
            ];
            start.Set();
            await Task.WhenAll(tasks).Soon();
        }

        static void Repeat(Action action)
        {
            for (int i = 0; i < 5; i++)
                action();
        }
    }

    [Theory]
    [InlineData(64, 10_000)]
    [InlineData(100_000, 1_000)] // crosses from one array into the next
    public async Task A_steady_exchange_allocates_nothing(int size, int count)
    {
        Assert.SkipWhen(AllocatesPerMessage, "This pipe allocates on its own account.");
        Assert.SkipWhen(IsDebugBuild, "A debug build allocates every async method.");
        (TransportConnection left, TransportConnection right) = await ConnectAsync();
        await using (left)
        await using (right)
        {
            byte[] message = Pattern.Bytes(0, size);
            Task echo = EndsInOrderAsync(() => ExchangeAsync(right, message, int.MaxValue, speaksFirst: false));
            await ExchangeAsync(left, message, 2_000, speaksFirst: true);
            long least = long.MaxValue;
            // The measure is of the whole process: the quietest of some rounds is ours.
            for (int round = 0; round < 5 && least >= count; round++)
            {
                long before = GC.GetTotalAllocatedBytes(precise: true);
                await ExchangeAsync(left, message, count, speaksFirst: true);
                least = Math.Min(least, GC.GetTotalAllocatedBytes(precise: true) - before);
            }

            left.Abort();
            await echo.Soon();
            Assert.True(least < count, $"{least} bytes were allocated for {count} round trips.");
        }
    }

    // One method with everything in it, so that the test itself has no async call per message.
    private static async Task ExchangeAsync(TransportConnection connection, byte[] message, int count, bool speaksFirst)
    {
        if (speaksFirst)
            await connection.Output.WriteAsync(message, Cancelled);
        for (int i = 0; i < count;)
        {
            ReadResult result = await connection.Input.ReadAsync(Cancelled);
            if (result.Buffer.Length < message.Length)
            {
                connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                if (result.IsCompleted)
                    return;
                continue;
            }

            connection.Input.AdvanceTo(result.Buffer.GetPosition(message.Length));
            if (++i < count || !speaksFirst)
                await connection.Output.WriteAsync(message, Cancelled);
        }
    }

    private static async Task ReadForeverAsync(PipeReader reader)
    {
        int position = 0;
        while (true)
        {
            ReadResult result = await reader.ReadAsync(Cancelled);
            // Written over while we look at it, it would not be the pattern any more.
            Pattern.Check(result.Buffer.ToArray(), position, (int)result.Buffer.Length);
            position += (int)result.Buffer.Length;
            reader.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
                return;
        }
    }

    private static async Task WriteForeverAsync(PipeWriter writer)
    {
        for (int position = 0; ; position += 10_000)
            await writer.WriteAsync(Pattern.Bytes(position, 10_000), Cancelled);
    }

    private static Task EndsInOrderAsync(Func<Task> loop) => Task.Run(async () =>
    {
        try
        {
            await loop();
        }
        catch (IOException)
        {
            // How every loop on a cut stream ends.
        }
    });
}
