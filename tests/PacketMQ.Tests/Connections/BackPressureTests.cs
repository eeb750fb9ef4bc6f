using PacketMQ.Dispatch;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>A receiver that does not keep up makes its sender wait, and costs a bounded number of bytes.</summary>
[Collection(nameof(Alone))] // it measures memory
public sealed class BackPressureTests
{
    private const int PayloadBytes = 50_000;
    private static readonly PeerOptions Small = new()
    {
        MaxPendingSendBytes = 200_000,
        MaxWaitingSendBytes = 20_000_000,
        MaxReadAheadBytes = 100_000,
        TimeProvider = new WatchedTime(),
    };

    [Theory, AllTransports]
    public async Task A_send_waits_while_the_receiver_is_busy_and_completes_when_it_goes_on(Transport transport)
    {
        var block = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int received = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int sent = 0;
        var packet = Packet.Create(async (_, _) =>
        {
            await block.Task;
            received++;
            if (received == Volatile.Read(ref sent))
                all.TrySetResult();
        });
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()), Small, Small);
        (Connection client, _) = await pair.ConnectAsync();

        Task pending = await FillAsync(client, () => sent++);
        Assert.False(pending.IsCompleted);
        block.SetResult();
        await pending.Soon();
        await all.Task.Soon();
        Assert.Equal(sent, received);
    }

    [Theory, AllTransports]
    public async Task A_cancelled_send_was_not_sent_and_those_behind_it_keep_their_order(Transport transport)
    {
        var block = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox();
        var packet = Packet.Create(async (data, context) =>
        {
            await block.Task;
            if (data is not byte[])
                await inbox.Packet.OnReceiveAsync(data, context);
        });
        var log = new PacketLog(capacity: 10_000);
        await using var pair = new PeerPair(
            transport, Registries.Server(packet), Registries.Client(Registries.Sink()), Small, Small with { PacketLog = log });
        (Connection client, _) = await pair.ConnectAsync();

        Task first = await FillAsync(client);
        using var cancellation = new CancellationTokenSource();
        Task second = client.SendAsync(Registries.Name, "second", cancellation.Token).AsTask();
        Task third = client.SendAsync(Registries.Name, "third").AsTask();
        Task fourth = client.SendAsync(Registries.Name, "fourth").AsTask();
        Assert.False(second.IsCompleted || third.IsCompleted || fourth.IsCompleted);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second.Soon());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.SendAsync(Registries.Name, "fifth", cancellation.Token).AsTask());

        block.SetResult();
        await Task.WhenAll(first, third, fourth).Soon();
        await client.SendAsync(Registries.Name, "last");
        Assert.Equal(["third", "fourth", "last"], new[] { await inbox.NextAsync(), await inbox.NextAsync(), await inbox.NextAsync() });
        Assert.Equal(
            ["\u00a4last", "\u00a5third", "\u00a6fourth"],
            log.Entries.Where(entry => entry.PayloadLength < 10).Select(entry => System.Text.Encoding.Latin1.GetString(entry.Payload.Span)).Order(StringComparer.Ordinal));
    }

    [Theory, AllTransports]
    public async Task Every_end_releases_the_sends_that_wait(Transport transport)
    {
        foreach (string end in new[] { "abort", "softquit", "stop", "reset" })
        {
            var time = new WatchedTime();
            await using var pair = new PeerPair(
                transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Small with { TimeProvider = time });
            await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
            Connection connection = await pair.NextMadeAsync();
            Task first = await FillAsync(connection);
            Task[] pending = [first, .. Enumerable.Range(0, 5).Select(_ => connection.SendAsync(Registries.Name, 1).AsTask())];

            switch (end)
            {
                case "abort":
                    connection.Abort();
                    break;
                case "softquit":
                    _ = connection.SoftQuitAsync();
                    break;
                case "stop":
                    _ = pair.Server.StopAsync();
                    break;
                default:
                    deaf.Abort();
                    break;
            }

            foreach (Task send in pending)
            {
                var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => send.Soon());
                Assert.NotNull(closed.CloseInfo);
            }

            // Each step of the end has a time-out of its own.
            await Bounded.UntilAsync(() =>
            {
                time.Advance(Small.CloseTimeout);
                return connection.Closed.IsCompleted;
            });
            pair.AssertNoConnectionIsLeft(connection);
        }
    }

    [Theory, AllTransports]
    public async Task A_deaf_receiver_costs_no_more_than_the_bounds(Transport transport)
    {
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Small, Small);
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        Task pending = await FillAsync(connection);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 2_000; i++)
        {
            // Each of these gives up, and must leave nothing behind.
            using var own = new CancellationTokenSource();
            Task send = connection.SendAsync(Registries.Name, new byte[PayloadBytes], own.Token).AsTask();
            Assert.False(send.IsCompleted);
            await own.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => send);
        }

        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 20_000_000);
        connection.Abort();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => pending.Soon());
    }

    [Theory, AllTransports]
    public async Task Sends_that_nobody_awaits_pile_up_to_their_bound_and_then_end_the_connection(Transport transport)
    {
        await using var pair = new PeerPair(
            transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Small with { MaxWaitingSendBytes = 2_000_000 });
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        var sends = new List<Task>();
        for (int i = 0; i < 1_000 && !connection.Closing.IsCancellationRequested; i++)
            sends.Add(connection.SendAsync(Registries.Name, new byte[PayloadBytes]).AsTask());

        CloseInfo end = await connection.Closed.Soon();
        Assert.Equal((CloseReason.SlowConsumer, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("2000000 bytes", end.Description);
        Assert.All(
            (await Task.WhenAll(sends.Select(send => Record.ExceptionAsync(() => send.Soon()).AsTask()))).OfType<Exception>(),
            exception => Assert.Same(end, Assert.IsType<ConnectionClosedException>(exception).CloseInfo));
        pair.AssertNoConnectionIsLeft(connection);
    }

    // Sends until sends have to wait, and then so many more that no buffer of the system's lets the last of them in. Returns those.
    [Theory, AllTransports]
    public async Task Two_sides_whose_handlers_answer_into_full_queues_get_through(Transport transport)
    {
        const int packets = 24, hops = 8;
        var time = new WatchedTime();
        PeerOptions options = Small with { TimeProvider = time, MaxReadAheadBytes = 2_000_000, SendTimeout = null, MinReceiveRate = null };
        int left = packets;
        var through = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Packet answering = Answering(1, () =>
        {
            if (Interlocked.Decrement(ref left) == 0)
                through.SetResult();
        });
        await using var pair = new PeerPair(transport, Registries.Server(answering), Registries.Client(answering), options, options);
        (Connection client, Connection server) = await pair.ConnectAsync();
        Task[] sends = [.. Enumerable.Range(0, packets).Select(i => SendHopsAsync(i % 2 == 0 ? client : server, hops))];

        // Both wait for room in their handlers, and read nothing meanwhile; the heartbeat sees that and reads ahead.
        await time.BeatUntilAsync(() => through.Task.IsCompleted);
        await Task.WhenAll(sends).Soon();
        Assert.Equal((ConnectionState.Active, ConnectionState.Active), (client.State, server.State));
    }

    [Theory, AllTransports]
    public async Task Two_sides_that_only_ever_answer_more_end_as_slow_consumers(Transport transport)
    {
        var time = new WatchedTime();
        PeerOptions options = Small with { TimeProvider = time, SendTimeout = TimeSpan.FromSeconds(10), MinReceiveRate = null };
        Packet doubling = Answering(2, () => { });
        await using var pair = new PeerPair(transport, Registries.Server(doubling), Registries.Client(doubling), options, options);
        (Connection client, Connection server) = await pair.ConnectAsync();
        Task send = SendHopsAsync(client, byte.MaxValue);
        await time.BeatUntilAsync(() => client.Closed.IsCompleted && server.Closed.IsCompleted);

        await send.Soon();
        CloseInfo[] ends = [await client.Closed, await server.Closed];
        Assert.Contains((CloseReason.SlowConsumer, CloseInitiator.Local), ends.Select(end => (end.Reason, end.Initiator)));
    }

    [Fact]
    public async Task Every_way_to_send_can_be_given_up()
    {
        var block = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var typed = new Packet<string>();
        var binary = new BinaryPacket();
        await using var pair = new PeerPair(
            Transport.TcpIPv4,
            Registries.Server(
                (Registries.Name, Packet.Create((_, _) => new ValueTask(block.Task))), ("test:typed", new Packet<string>()), ("test:binary", new BinaryPacket())),
            Registries.Client((Registries.Name, Registries.Sink()), ("test:typed", typed), ("test:binary", binary)),
            Small,
            Small);
        (Connection client, _) = await pair.ConnectAsync();
        byte[] body = [(byte)(client.GetWireId(typed) >> 8), (byte)client.GetWireId(typed), 0xc0];
        Assert.True(client.Sender.Routes!.TryFind(typed, out PacketRoute? route));
        var context = new PacketContext(client, route);
        Task filling = await FillAsync(client);

        var given = new CancellationToken(canceled: true);
        ReadOnlyMemory<byte> bytes = new byte[100];
        Func<ValueTask>[] ways =
        [
            () => client.SendAsync(typed, (object)"a", given),
            () => client.SendAsync(typed, "a", given),
            () => client.SendAsync(binary, bytes, given),
            () => client.SendAsync(binary, Chunked.Join(new byte[50], new byte[50]), given),
            () => client.SendEncodedAsync(body, given),
            () => context.ReplyAsync(typed, (object)"a", given),
            () => context.ReplyAsync(typed, "a", given),
            () => context.ReplyAsync(binary, bytes, given),
            () => pair.Client.SendAsync(typed, (object)"a", given),
            () => pair.Client.SendAsync(typed, "a", given),
            () => pair.Client.SendAsync(binary, bytes, given),
            () => ((Peer)pair.Client).SendAsync(typed, (object)"a", client.Id, given),
            () => ((Peer)pair.Client).SendAsync(typed, "a", client.Id, given),
            () => ((Peer)pair.Client).SendAsync(binary, bytes, client.Id, given),
            () => pair.Client.SendEncodedAsync(body, given),
            () => ((Peer)pair.Client).SendEncodedAsync(body, client.Id, given),
        ];
        Assert.All(ways, way => Assert.True(way().AsTask().IsCanceled));

        block.SetResult();
        await filling.Soon();
    }

    // Each packet says how many answers may still follow from it.
    private static Packet Answering(int answers, Action ended) => Packet.Create(async (data, context) =>
    {
        byte[] bytes = (byte[])data!;
        if (bytes[0] == 0)
            ended();
        else
            await Task.WhenAll(Enumerable.Range(0, answers).Select(_ => SendHopsAsync(context.Connection, bytes[0] - 1)));
    });

    private static async Task SendHopsAsync(Connection connection, int hops)
    {
        byte[] bytes = new byte[PayloadBytes];
        bytes[0] = (byte)hops;
        await connection.SendAsync(Registries.Name, bytes);
    }

    private static async Task<Task> FillAsync(Connection connection, Action? sent = null)
    {
        using var end = new CancellationTokenSource(Bounded.Limit);
        while (true)
        {
            Task send = SendAsync();
            for (int i = 0; i < 2_000 && !send.IsCompleted; i++)
                await Task.Yield();
            if (!send.IsCompleted)
                return Task.WhenAll([send, .. Enumerable.Range(0, 150).Select(_ => SendAsync())]);
            end.Token.ThrowIfCancellationRequested();
        }

        Task SendAsync()
        {
            sent?.Invoke();
            return connection.SendAsync(Registries.Name, new byte[PayloadBytes]).AsTask();
        }
    }
}
