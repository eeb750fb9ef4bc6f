using System.Collections.Concurrent;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Many threads do all that can be done to connections, at random and at once.</summary>
[Collection(nameof(Alone))] // unobserved exceptions of other tests are not its own
public sealed class StressTests
{
    private const int Threads = 8;
    private const int Rounds = 40;

    [Theory]
    [InlineData(Transport.TcpIPv4, 1)]
    [InlineData(Transport.Unix, 2)]
    [InlineData(Transport.Memory, 3)]
    [InlineData(Transport.Pipe, 4)]
    public async Task Whatever_is_done_to_connections_nothing_is_left_of_them(Transport transport, int seed)
    {
        Collect(); // what tests before this one left lying is not its own
        var unobserved = new ConcurrentQueue<Exception>();
        void Keep(object? sender, UnobservedTaskExceptionEventArgs unobservedException) => unobserved.Enqueue(unobservedException.Exception);
        TaskScheduler.UnobservedTaskException += Keep;
        try
        {
            await RunAsync(transport, seed);
            Collect();
            Assert.Empty(unobserved);
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Keep;
        }
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }

    private static async Task RunAsync(Transport transport, int seed)
    {
        var ends = new ConcurrentBag<Connection>();
        var wrong = new ConcurrentQueue<string>();
        var next = new ConcurrentDictionary<(Connection, long), long>();
        var packet = Packet.Create(async (data, context) =>
        {
            // Of each sender's numbers none comes twice, late or after a gap.
            var parts = (object?[])data!;
            (long sender, long number) = ((long)parts[0]!, (long)parts[1]!);
            if (next.AddOrUpdate((context.Connection, sender), 1, (_, expected) => expected + 1) != number + 1)
                wrong.Enqueue($"{number} of sender {sender} on {context.Connection}");
            if (number % 5 == 0)
                await Task.Yield();
            if (number == 17)
                context.Connection.Abort();
            else if (number == 23)
                await context.Connection.SoftQuitAsync("reason.handler");
        });
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(packet));
        foreach (Peer peer in new Peer[] { pair.Server, pair.Client })
        {
            peer.ConnectionMade += (_, made) => ends.Add(made.Connection);
            peer.HandlerFailed += (_, failed) => wrong.Enqueue(failed.Exception.ToString());
        }

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() => ActAsync(pair, ends, new Random((seed * 100) + thread), thread)))).Soon();
        await Task.WhenAll(pair.Client.StopAsync(), pair.Server.StopAsync()).Soon();

        Assert.Empty(wrong);
        foreach (Connection end in ends)
            Assert.True(end.Closed.IsCompletedSuccessfully);
        pair.AssertNoConnectionIsLeft([.. ends]);
        Assert.Equal(ends.Count, pair.ServerLost.Count + pair.ClientLost.Count);
        Assert.Equal(ends.Count, pair.ServerLost.Concat(pair.ClientLost).Select(lost => lost.Connection).Distinct().Count());
        Assert.InRange(ends.Count, Rounds, 2 * Threads * Rounds);
    }

    private static async Task ActAsync(PeerPair pair, ConcurrentBag<Connection> ends, Random random, int thread)
    {
        for (int round = 0; round < Rounds; round++)
        {
            try
            {
                Connection connection = await pair.OpenAsync();
                long count = random.Next(40);
                for (long number = 0; number < count; number++)
                    await connection.SendAsync(Registries.Name, new object[] { thread, number, new byte[random.Next(3_000)] });
                Connection[] all = [.. ends];
                Connection victim = random.Next(3) == 0 && all.Length > 0 ? all[random.Next(all.Length)] : connection;
                switch (random.Next(5))
                {
                    case 0:
                        await victim.SoftQuitAsync("reason.thread");
                        break;
                    case 1:
                        victim.Abort();
                        break;
                    case 2:
                        await Task.WhenAll(victim.SoftQuitAsync(), connection.SoftQuitAsync());
                        break;
                    case 3 when round == Rounds - 1:
                        await victim.Peer.StopAsync();
                        break;
                    default:
                        break;
                }
            }
            catch (ConnectionClosedException)
            {
                // Another thread, a handler or a stop was faster.
            }
        }
    }
}
