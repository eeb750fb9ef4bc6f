using System.Buffers;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Dispatch;
using PacketMQ.Serialization;
using PacketMQ.Tests.Dispatch;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>What all connections buffer together: counted, and bounded by closing those that hold the most.</summary>
[Collection(nameof(Alone))] // it counts what the whole process buffers
public sealed class BufferBudgetTests
{
    [Fact]
    public void Small_arrays_are_not_counted_and_what_a_closed_account_did_not_give_back_counts_no_more()
    {
        long before = BufferBudget.Total;
        BufferAccount account = Accounts.New();
        byte[] small = account.Rent(4_096);
        Assert.Equal(0, account.Held);
        byte[] large = account.Rent(60_000);
        byte[] lost = account.Rent(10_000);
        account.Add(100);
        Assert.Equal(large.Length + lost.Length + 100, account.Held);
        Assert.Equal(before + account.Held, BufferBudget.Total);
        account.Return(large);
        account.Return(small);
        Assert.Equal(lost.Length + 100, account.Held);

        account.Close();
        account.Close();
        account.Return(lost);
        Assert.Equal((0, before), (account.Held, BufferBudget.Total));
    }

    [Fact]
    public async Task Above_the_bound_the_biggest_go_until_the_rest_fits()
    {
        var budget = new BufferBudget(
            BufferBudget.Total + 10_000_000, new RepeatedLog(NullLogger.Instance, TimeProvider.System), NullLogger.Instance);
        var evicted = new System.Collections.Concurrent.ConcurrentQueue<int>();
        BufferAccount[] accounts = new BufferAccount[5];
        for (int i = 0; i < accounts.Length; i++)
        {
            int number = i;
            accounts[i] = Accounts.New(budget, () => evicted.Enqueue(number));
            accounts[i].Add((i + 1) * 500_000); // far more than what a connection of another test may give back meanwhile
        }

        Assert.False(budget.IsNearlySpent);
        accounts[0].Add(2_000_000); // 9.5 million
        Assert.True(budget.IsNearlySpent);
        Assert.Empty(evicted);
        accounts[1].Add(2_000_000); // 11.5 million: 2.5, 3, 1.5, 2, 2.5
        await Bounded.UntilAsync(() => !evicted.IsEmpty);
        accounts[2].Add(100_000); // those that go already count as gone
        await Task.Yield();
        Assert.Equal([1], evicted);
        foreach (BufferAccount account in accounts)
            account.Close();
    }

    [Fact]
    public async Task Whoever_parks_near_the_bound_and_keeps_others_out_goes_after_ten_seconds()
    {
        var budget = new BufferBudget(
            BufferBudget.Total + 10_000_000, new RepeatedLog(NullLogger.Instance, TimeProvider.System), NullLogger.Instance);
        var evicted = new System.Collections.Concurrent.ConcurrentQueue<int>();
        BufferAccount[] accounts = [.. Enumerable.Range(0, 3).Select(number => Accounts.New(budget, () => evicted.Enqueue(number)))];
        accounts[0].Add(2_000_000);
        accounts[1].Add(4_000_000);
        accounts[2].Add(3_500_000); // 9.5 million
        for (int i = 0; i < 100; i++)
            budget.Check(); // nobody is kept out

        budget.NoticeTurnedAway();
        for (int i = 0; i < BufferBudget.MostTicksShut; i++)
            budget.Check();
        Assert.False(budget.HasToRelieve);
        budget.Check();
        await Bounded.UntilAsync(() => !evicted.IsEmpty);
        accounts[1].Close();
        Assert.False(budget.IsNearlySpent);
        budget.Check();
        accounts[0].Add(4_000_000); // as full as before, but nobody has been turned away since
        for (int i = 0; i < 100; i++)
            budget.Check();
        Assert.True(budget.IsNearlySpent);
        Assert.False(budget.HasToRelieve);
        Assert.Equal([1], evicted);
        foreach (BufferAccount account in accounts)
            account.Close();
    }

    [Fact]
    public async Task New_connections_are_turned_away_before_the_biggest_is_closed()
    {
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()),
            new PeerOptions { MaxTotalBufferedBytes = BufferBudget.Total + 80_000_000, MaxConnections = 3 });
        (Connection small, _) = await pair.ConnectAsync();
        (Connection big, Connection served) = await pair.ConnectAsync();
        long limit = (long)pair.Server.Options.MaxTotalBufferedBytes!;

        served.CountBytes(limit - (limit / 16) - BufferBudget.Total);
        CloseInfo refusal = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        Assert.Equal((CloseReason.Overloaded, CloseInitiator.Remote), (refusal.Reason, refusal.Initiator));
        Assert.Equal(1, pair.Server.TurnedAwayConnections);
        Assert.Equal((ConnectionState.Active, ConnectionState.Active), (small.State, served.State));

        served.CountBytes(limit / 8);
        CloseInfo end = await served.Closed.Soon();
        Assert.Equal((CloseReason.Overloaded, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Equal(CloseReason.ConnectionReset, (await big.Closed.Soon()).Reason);
        await pair.ConnectAsync();
        Assert.Equal(ConnectionState.Active, small.State);
    }

    [Theory]
    [InlineData(Transport.TcpIPv4)]
    [InlineData(Transport.Unix)]
    public async Task Hostile_frames_close_themselves_and_small_clients_go_on(Transport transport)
    {
        const int bound = 4_000_000;
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()),
            new PeerOptions { MaxTotalBufferedBytes = bound + BufferBudget.Total, MaxConnections = 100, MinReceiveRate = null });
        (Connection good, _) = await pair.ConnectAsync();
        var hostile = new List<RawEnd>();
        byte[] most = RawEnd.Frame(17, [0xc6, 0, 0x0f, 0, 0, .. new byte[0xf0000]])[..^1];
        long highest = 0;
        try
        {
            for (int i = 0; i < 12; i++)
            {
                try
                {
                    RawEnd end = await RawEnd.OpenAsync(pair);
                    hostile.Add(end);
                    await end.ShakeHandsAsync(Registries.Name);
                    await end.WriteAsync(most);
                }
                catch (Exception exception) when (exception is IOException or System.Net.Sockets.SocketException or Xunit.Sdk.XunitException)
                {
                    // Turned away or closed in the middle.
                }

                highest = Math.Max(highest, BufferBudget.Total);
                await good.SendAsync(Registries.Name, i);
                Assert.Equal((long)i, await inbox.NextAsync());
            }

            await Bounded.UntilAsync(() => BufferBudget.Total <= pair.Server.Options.MaxTotalBufferedBytes);
            Assert.InRange(highest, bound / 2, bound + 2_500_000);
            Assert.Equal(ConnectionState.Active, good.State);
            Assert.True(pair.Server.TurnedAwayConnections > 0 || pair.ServerLost.Any(lost => lost.CloseInfo.Reason == CloseReason.Overloaded));
        }
        finally
        {
            foreach (RawEnd end in hostile)
                await end.DisposeAsync();
        }
    }

    [Fact]
    public async Task Objects_that_slow_handlers_hold_close_their_connections_and_small_clients_go_on()
    {
        const int bound = 4_000_000;
        long before = BufferBudget.Total;
        var inbox = new Inbox();
        var slow = Packet.Create(async (_, context) => await Task.Delay(Timeout.Infinite, context.ConnectionClosing));
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server((Registries.Name, slow), ("test:small", inbox.Packet)),
            Registries.Client((Registries.Name, Registries.Sink()), ("test:small", Registries.Sink())),
            new PeerOptions { MaxTotalBufferedBytes = bound + before, MaxConnections = 100 });
        (Connection good, _) = await pair.ConnectAsync();
        byte[] frame = RawEnd.Frame(17, PacketObjectsTests.Maps(20_000)); // 60 KB, as objects 800
        var ends = new List<RawEnd>();
        long highest = 0;
        for (int i = 0; i < 16; i++)
        {
            try
            {
                RawEnd end = await RawEnd.OpenAsync(pair);
                ends.Add(end);
                await end.ShakeHandsAsync(Registries.Name, "test:small");
                await end.WriteAsync(frame);
            }
            catch (Exception exception) when (exception is IOException or System.Net.Sockets.SocketException or Xunit.Sdk.XunitException)
            {
                // Turned away or closed in the middle.
            }

            highest = Math.Max(highest, BufferBudget.Total - before);
            await good.SendAsync("test:small", i);
            Assert.Equal((long)i, await inbox.NextAsync());
        }

        await Bounded.UntilAsync(() => BufferBudget.Total - before <= bound);
        Assert.InRange(highest, bound / 2, bound + 2_000_000);
        Assert.Equal(ConnectionState.Active, good.State);
        Assert.True(pair.Server.TurnedAwayConnections > 0 || pair.ServerLost.Any(lost => lost.CloseInfo.Reason == CloseReason.Overloaded));
        foreach (RawEnd end in ends)
            await end.DisposeAsync();
    }

    [Theory]
    [InlineData(RefusalAction.Close)]
    [InlineData(RefusalAction.Skip)]
    public async Task Who_is_closed_while_its_payload_is_read_is_not_read_on(RefusalAction unfit)
    {
        const int bound = 1_100_000;
        var logs = new FakeLogCollector();
        var packet = new InsatiablePacket();
        await using var pair = new PeerPair(
            Transport.Pipe, Registries.Server(packet), Registries.Client(Registries.Sink()),
            new PeerOptions { MaxTotalBufferedBytes = bound + BufferBudget.Total, UnfitPayload = unfit, LoggerFactory = new Journal(logs) });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name);
        Connection server = await pair.NextMadeAsync();
        Task writing = raw.WriteAsync(RawEnd.Frame(17, PacketObjectsTests.Maps(20_000)));

        CloseInfo info = await server.Closed.Soon();
        Assert.Equal((CloseReason.Overloaded, CloseInitiator.Local), (info.Reason, info.Initiator));
        Assert.Equal(CloseReason.Overloaded, Assert.IsType<PayloadException>(packet.Stopped).Reason);
        Assert.Equal(1, packet.Read); // twice is above the bound, and that is noticed at once
        Assert.False(packet.WasHandled);
        Assert.Equal(0, server.HeldBytes);
        Assert.DoesNotContain(logs.GetSnapshot(), record => record.Id.Id == DispatchLog.PacketSkippedId || record.Id.Id == ConnectionLog.ViolatedId);
        await writing.ContinueWith(_ => { }, TaskScheduler.Default).Soon();
    }

    [Fact]
    public async Task Names_that_only_the_other_side_has_count_and_who_lists_thousands_is_closed()
    {
        const int bound = 1_100_000;
        long before = BufferBudget.Total;
        (string Name, int Id)[] names = [.. Enumerable.Range(0, 4_000).Select(i => ($"own:{i:0000000000}", 16 + i))];
        byte[] handshake = PeerBytes.Handshake(true, names);
        await using var pair = new PeerPair(
            Transport.Pipe, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()),
            new PeerOptions { MaxTotalBufferedBytes = bound + before });
        var closed = new System.Collections.Concurrent.ConcurrentQueue<CloseReason>();
        (Connection good, Connection ordinary) = await pair.ConnectAsync();
        Assert.Equal(0, ordinary.HeldBytes);

        await using (RawEnd one = await RawEnd.OpenAsync(pair))
        {
            await one.WriteAsync(handshake);
            Connection server = await pair.NextMadeAsync();
            Assert.Equal(4_000 * 15, server.HeldBytes);
            Assert.Equal(names.Select(name => name.Name), server.PeerPacketNames);
            one.Abort();
            await server.Closed.Soon();
            Assert.Equal(0, server.HeldBytes);
        }

        pair.Server.ConnectionLost += (_, lost) => closed.Enqueue(lost.CloseInfo.Reason);
        pair.Server.ConnectionRefused += (_, refused) => closed.Enqueue(refused.CloseInfo.Reason);
        var ends = new List<RawEnd>();
        for (int i = 0; i < 25; i++) // 1.5 MB; each is there before the buffers are nearly full
            ends.Add(await RawEnd.OpenAsync(pair));
        foreach (RawEnd end in ends)
            await end.WriteAsync(handshake).ContinueWith(_ => { }, TaskScheduler.Default).Soon();

        await Bounded.UntilAsync(() => closed.Count >= 6);
        await Bounded.UntilAsync(() => BufferBudget.Total - before <= bound);
        Assert.All(closed, reason => Assert.Equal(CloseReason.Overloaded, reason));
        Assert.Equal((ConnectionState.Active, 0), (good.State, ordinary.HeldBytes));
        foreach (RawEnd end in ends)
            await end.DisposeAsync();
    }

    /// <summary>Reads its payload again and again, so that the connection holds more than all may, until that is noticed.</summary>
    private sealed class InsatiablePacket : Packet
    {
        public Exception? Stopped { get; private set; }

        public int Read { get; private set; }

        public bool WasHandled { get; private set; }

        protected internal override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context)
        {
            try
            {
                object? value = null;
                var sinceBegin = System.Diagnostics.Stopwatch.StartNew();
                while (sinceBegin.Elapsed < Bounded.Limit / 4)
                {
                    value = base.OnDecode(payload, context);
                    Read++;
                }

                return value;
            }
            catch (Exception exception)
            {
                Stopped = exception;
                throw;
            }
        }

        protected internal override ValueTask OnReceiveAsync(object? data, PacketContext context)
        {
            WasHandled = true;
            return default;
        }
    }
}
