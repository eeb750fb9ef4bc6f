using System.IO.Pipelines;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>The queue alone, against a writer whose every write the test lets through.</summary>
public sealed class SendQueueTests
{
    private const int Bound = 1_000;
    private const int WaitingBound = 3_000;
    private const int WaitingCount = 50;

    private readonly WatchedTime _time = new();
    private readonly PoorAccount _account = new();
    private readonly GatedWriter _writer = new();
    private readonly List<Exception> _failures = [];
    private readonly SendQueue _queue;
    private int _overflows;

    public SendQueueTests() => _queue = NewQueue(Bound, _failures.Add);

    [Fact]
    public async Task Frames_go_out_in_order_and_whole()
    {
        _writer.IsOpen = true;
        for (int i = 0; i < 500; i++)
            Assert.Equal(AppendResult.Accepted, await AppendAsync(i % 7, (byte)i));
        await _queue.CloseAsync().Soon();

        Assert.Equal(Enumerable.Range(0, 500).Select(i => ((byte)i, 2 + (i % 7))), _writer.Frames().Select(frame => (frame.Id, frame.Payload.Length)));
        Assert.False(_queue.IsWaitingForTransport);
    }

    [Fact]
    public async Task Head_and_body_make_one_payload()
    {
        _writer.IsOpen = true;
        _queue.TryAppend(new EncodedFrame(0x1234, [1, 2, 3, 4, 5]));
        await _queue.CloseAsync().Soon();
        Assert.Equal([0, 0, 0, 7, 0x12, 0x34, 1, 2, 3, 4, 5], _writer.Bytes);
    }

    [Fact]
    public async Task Above_the_bound_frames_wait_and_are_let_in_first_come_first_served()
    {
        Assert.Equal(AppendResult.Accepted, Append(700, 1));
        await _writer.Blocked.Soon();
        Assert.Equal(AppendResult.Accepted, Append(200, 2));
        Assert.Equal(AppendResult.Full, Append(700, 3));
        Task<bool> third = AppendLater(700, 3);
        // A small one would fit, but it must not overtake.
        Assert.Equal(AppendResult.Full, Append(1, 4));
        Task<bool> fourth = AppendLater(1, 4);
        Assert.False(third.IsCompleted || fourth.IsCompleted);

        _writer.IsOpen = true;
        Assert.True(await third.Soon());
        Assert.True(await fourth.Soon());
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1, 2, 3, 4], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task A_frame_above_the_bound_goes_when_nothing_else_waits()
    {
        _writer.IsOpen = true;
        Assert.Equal(AppendResult.Accepted, Append(5 * Bound, 1));
        await _queue.CloseAsync().Soon();
        Assert.Single(_writer.Frames());
    }

    [Fact]
    public async Task A_frame_that_gives_up_makes_room_for_those_behind_it()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        using var cancellation = new CancellationTokenSource();
        Task<bool> large = AppendLater(900, 2, cancellation.Token);
        Task<bool> small = AppendLater(20, 3);
        Assert.False(small.IsCompleted);

        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large.Soon());
        Assert.True(await small.Soon());
        Assert.Equal(AppendResult.Accepted, Append(20, 4));

        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1, 3, 4], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_sends_nothing()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => AppendLater(1, 2, new CancellationToken(canceled: true)).Soon());
        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task A_failed_write_is_told_once_and_drops_all_that_waits()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        Task<bool> waiting = AppendLater(900, 2);
        _writer.Fail();

        Assert.False(await waiting.Soon());
        Assert.Equal(AppendResult.Closed, Append(1, 3));
        Assert.False(await AppendLater(1, 3).Soon());
        await _queue.CloseAsync().Soon();
        Assert.IsType<IOException>(Assert.Single(_failures));
        Assert.False(_queue.IsWaitingForTransport);
    }

    [Fact]
    public async Task Whoever_is_told_that_the_queue_is_closed_can_ask_why()
    {
        // The reason must stand before the first sender learns that there is one.
        bool isToldFirst = false;
        Task<bool>? waiting = null;
        var queue = NewQueue(Bound, _ => isToldFirst = !waiting!.IsCompleted);
        queue.TryAppend(new EncodedFrame(1, new byte[900]));
        await _writer.Blocked.Soon();
        waiting = queue.AppendLaterAsync(new EncodedFrame(2, new byte[900]), CancellationToken.None).AsTask();
        _writer.Fail();
        Assert.False(await waiting.Soon());
        Assert.True(isToldFirst);
    }

    [Fact]
    public async Task Closing_writes_what_was_appended_and_turns_away_what_waits()
    {
        Append(700, 1);
        await _writer.Blocked.Soon();
        Append(200, 2);
        Task<bool> waiting = AppendLater(700, 3);
        Task closing = _queue.CloseAsync();

        Assert.False(await waiting.Soon());
        Assert.Equal(AppendResult.Closed, Append(1, 4));
        Assert.False(closing.IsCompleted);
        _writer.IsOpen = true;
        await closing.Soon();
        Assert.Equal<byte>([1, 2], _writer.Frames().Select(frame => frame.Id));
        await _queue.CloseAsync().Soon();
    }

    [Fact]
    public async Task Abandoning_forgets_what_waits()
    {
        Append(700, 1);
        await _writer.Blocked.Soon();
        Append(200, 2);
        Task<bool> waiting = AppendLater(700, 3);
        _queue.Abandon();
        Assert.False(await waiting.Soon());
        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task A_control_frame_is_appended_above_the_bound_too()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        Append(50, 2);
        _queue.AppendControl([0, 0, 0, 2, 0, 9]);
        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1, 2, 9], _writer.Frames().Select(frame => frame.Id));
        _queue.AppendControl([0, 0, 0, 2, 0, 9]);
        Assert.Equal(3, _writer.Frames().Count);
    }

    [Fact]
    public async Task Behind_the_farewell_nothing_is_taken_and_who_waits_is_told()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        Task<bool> waiting = AppendLater(700, 2);
        _queue.AppendControl([0, 0, 0, 2, 0, 9], isLast: true);
        Assert.Equal(AppendResult.Closed, Append(1, 3));
        Assert.False(await waiting.Soon());
        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1, 9], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task A_corked_queue_keeps_the_loops_own_frames_until_it_is_uncorked()
    {
        _writer.IsOpen = true;
        _queue.Cork();
        Append(10, 1);
        Append(10, 2);
        Assert.True(_queue.HasCorkedFrames);
        Assert.Equal(0, _writer.Length);
        _queue.Uncork();
        await _queue.CloseAsync().Soon();
        Assert.Equal(1, _writer.Writes);
        Assert.Equal(2, _writer.Frames().Count);
    }

    [Fact]
    public async Task A_cork_does_not_hold_back_other_threads()
    {
        // The loop may be inside a handler that takes its time.
        _writer.IsOpen = true;
        _queue.Cork();
        var thread = new Thread(() => Append(10, 1));
        thread.Start();
        Assert.True(thread.Join(Bounded.Limit));
        await Bounded.UntilAsync(() => _writer.Length > 0).Soon();
        _queue.Uncork();
    }

    [Fact]
    public async Task Closing_a_corked_queue_writes_what_it_holds()
    {
        _writer.IsOpen = true;
        _queue.Cork();
        Append(10, 1);
        await _queue.CloseAsync().Soon();
        Assert.Single(_writer.Frames());
    }

    [Fact]
    public async Task A_large_batch_is_written_in_parts_so_that_a_slow_transport_shows_progress()
    {
        var queue = NewQueue(4_000_000, _failures.Add);
        queue.TryAppend(new EncodedFrame(1, new byte[10]));
        await _writer.Blocked.Soon();
        for (int i = 0; i < 30; i++)
            Assert.Equal(AppendResult.Accepted, queue.TryAppend(new EncodedFrame(2, new byte[99_000])));
        _writer.IsOpen = true;
        await queue.CloseAsync().Soon();
        Assert.InRange(_writer.LargestWrite, 64 * 1024, 256 * 1024);
        Assert.Equal(31, _writer.Frames().Count);
    }

    [Fact]
    public async Task Progress_tells_a_slow_write_from_one_that_stands_still()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        Assert.True(_queue.IsWaitingForTransport);
        int before = _queue.Progress;
        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
        Assert.False(_queue.IsWaitingForTransport);
        Assert.NotEqual(before, _queue.Progress);
    }

    [Fact]
    public async Task More_bytes_than_may_wait_are_turned_away_and_told()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        Task<bool> first = AppendLater(WaitingBound + 1, 2); // one may always wait
        Task<bool> second = AppendLater(1, 3);
        Assert.False(await second.Soon());
        Assert.Equal(1, _overflows);
        Assert.False(first.IsCompleted);

        _writer.IsOpen = true;
        Assert.True(await first.Soon());
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1, 2], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task More_frames_than_may_wait_are_turned_away_however_small_and_one_that_gives_up_makes_room()
    {
        Append(990, 1);
        await _writer.Blocked.Soon();
        using var cancellation = new CancellationTokenSource();
        Task<bool> last = AppendLater(20, 0, cancellation.Token);
        Task<bool>[] waiting = [.. Enumerable.Range(0, WaitingCount - 1).Select(_ => AppendLater(20, 2))];
        Assert.False(await AppendLater(20, 3).Soon());
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => last.Soon());
        Task<bool> inItsPlace = AppendLater(20, 2);
        Assert.False(inItsPlace.IsCompleted);
        Assert.Equal(1, _overflows);

        _writer.IsOpen = true;
        Assert.True(await inItsPlace.Soon());
        Assert.All(await Task.WhenAll(waiting).Soon(), Assert.True);
        await _queue.CloseAsync().Soon();
        Assert.Equal(1 + WaitingCount, _writer.Frames().Count);
    }

    [Fact]
    public async Task A_packet_after_a_quiet_moment_is_written_before_its_send_returns()
    {
        _writer.IsOpen = true;
        await OnFreshThreadAsync(() =>
        {
            for (int i = 1; i <= 3; i++)
            {
                _time.Advance(TimeSpan.FromMilliseconds(1));
                Assert.Equal(AppendResult.Accepted, Append(10, (byte)i));
                Assert.Equal((i, i), (_writer.Writes, _writer.Frames().Count));
            }
        });
    }

    [Fact]
    public async Task A_burst_of_small_packets_leaves_in_few_writes()
    {
        // A sender that loses its processor in the middle looks as if it had stopped: so the best of some bursts.
        int fewest = int.MaxValue;
        for (int round = 0; round < 50 && fewest > 3; round++)
        {
            var writer = new GatedWriter { IsOpen = true };
            SendQueue queue = NewQueue(4_000_000, _failures.Add, writer);
            await OnFreshThreadAsync(() =>
            {
                for (int i = 0; i < 1_000; i++)
                    Assert.Equal(AppendResult.Accepted, queue.TryAppend(new EncodedFrame(1, new byte[16])));
            });
            await queue.CloseAsync().Soon();
            Assert.Equal(1_000, writer.Frames().Count);
            fewest = Math.Min(fewest, writer.Writes);
        }

        Assert.InRange(fewest, 1, 3);
    }

    [Fact]
    public async Task Who_writes_writes_one_batch_and_what_others_append_meanwhile_goes_out_on_another_thread()
    {
        using var returned = new ManualResetEventSlim();
        var writers = new List<int>();
        SendQueue? queue = null;
        queue = NewQueue(4_000_000, _failures.Add, new HookedWriter(write =>
        {
            writers.Add(Environment.CurrentManagedThreadId);
            if (write == 1)
            {
                for (int i = 0; i < 100; i++)
                    Assert.Equal(AppendResult.Accepted, queue!.TryAppend(new EncodedFrame(2, new byte[1_000]))); // more than a batch
            }
            else
            {
                Assert.True(returned.Wait(Bounded.Limit)); // a sender that wrote this too would wait for itself
            }
        }));
        int sender = 0;
        await OnFreshThreadAsync(() =>
        {
            sender = Environment.CurrentManagedThreadId;
            Assert.Equal(AppendResult.Accepted, queue.TryAppend(new EncodedFrame(1, new byte[10])));
            returned.Set();
        });
        await queue.CloseAsync().Soon();
        Assert.Empty(_failures);
        Assert.Equal(sender, writers[0]);
        Assert.NotEmpty(writers.Skip(1));
        Assert.DoesNotContain(sender, writers.Skip(1));
    }

    [Fact]
    public async Task The_flusher_leaves_a_queue_alone_that_grows_but_not_for_long()
    {
        _writer.IsOpen = true;
        _queue.Cork(); // so that nobody else writes
        for (int i = 0; i < 10; i++)
        {
            Append(10, 1);
            Assert.True(_queue.WriteOrComeAgain());
        }

        _time.Advance(TimeSpan.FromSeconds(1)); // a busy machine, and other tests' queues
        Append(10, 1);
        Assert.False(_queue.WriteOrComeAgain());
        Assert.Equal(11, _writer.Frames().Count);

        // And from the beginning again.
        Append(10, 1);
        _queue.Uncork();
        await Bounded.UntilAsync(() => _writer.Frames().Count == 12);
    }

    [Fact]
    public async Task Without_memory_to_let_in_who_waits_the_connection_ends_and_he_is_told()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        Task<bool> first = AppendLater(5_000, 2); // more than the array that comes back
        Task<bool> second = AppendLater(10, 3);
        _account.IsPoor = true;
        _writer.IsOpen = true;
        Assert.False(await first.Soon());
        Assert.False(await second.Soon());
        Assert.IsType<OutOfMemoryException>(Assert.Single(_failures));
        Assert.Equal(AppendResult.Closed, Append(1, 4));
        await _queue.CloseAsync().Soon();
        Assert.Equal<byte>([1], _writer.Frames().Select(frame => frame.Id));
    }

    [Fact]
    public async Task Without_memory_to_let_in_who_stood_behind_one_that_gives_up_the_connection_ends()
    {
        Append(900, 1);
        await _writer.Blocked.Soon();
        using var cancellation = new CancellationTokenSource();
        Task<bool> first = AppendLater(900, 2, cancellation.Token);
        Task<bool> second = AppendLater(10, 3);
        _account.IsPoor = true;
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Soon());
        Assert.False(await second.Soon());
        Assert.IsType<OutOfMemoryException>(Assert.Single(_failures));
        _writer.IsOpen = true;
        await _queue.CloseAsync().Soon();
    }

    private SendQueue NewQueue(int bound, Action<Exception> onFailed, PipeWriter? writer = null)
        => new(
            writer ?? _writer,
            new PeerOptions { MaxPendingSendBytes = bound, MaxWaitingSendBytes = WaitingBound, MaxWaitingSends = WaitingCount, TimeProvider = _time },
            _account, new Owner(onFailed, () => _overflows++));

    // A thread that has not written yet is quiet.
    private static async Task OnFreshThreadAsync(Action act)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                act();
                done.SetResult();
            }
            catch (Exception exception)
            {
                done.SetException(exception);
            }
        }).Start();
        await done.Task.Soon();
    }

    private AppendResult Append(int length, byte id) => _queue.TryAppend(new EncodedFrame(id, new byte[2 + length]));

    private async Task<AppendResult> AppendAsync(int length, byte id)
    {
        AppendResult result = Append(length, id);
        if (result != AppendResult.Full)
            return result;
        return await _queue.AppendLaterAsync(new EncodedFrame(id, new byte[2 + length]), CancellationToken.None).Soon() ? AppendResult.Accepted : AppendResult.Closed;
    }

    private Task<bool> AppendLater(int length, byte id, CancellationToken cancellationToken = default)
        => _queue.AppendLaterAsync(new EncodedFrame(id, new byte[length]), cancellationToken).AsTask();

    /// <summary>Completes each write at once, after a test has done what it wants to do meanwhile.</summary>
    private sealed class HookedWriter(Action<int> write) : PipeWriter
    {
        private int _writes;

        public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
        {
            write(++_writes);
            return default;
        }

        public override void Advance(int bytes) => throw new NotSupportedException();

        public override Memory<byte> GetMemory(int sizeHint = 0) => throw new NotSupportedException();

        public override Span<byte> GetSpan(int sizeHint = 0) => throw new NotSupportedException();

        public override void CancelPendingFlush() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null) => throw new NotSupportedException();

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
    }

    private sealed class Owner(Action<Exception> onFailed, Action onTooManyWaiting) : ISendQueueOwner
    {
        void ISendQueueOwner.OnSendFailed(Exception exception) => onFailed(exception);

        void ISendQueueOwner.OnTooManyWaiting() => onTooManyWaiting();
    }
}
