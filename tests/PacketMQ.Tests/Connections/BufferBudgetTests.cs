using Microsoft.Extensions.Logging.Abstractions;
using PacketMQ.Connections;
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
}
