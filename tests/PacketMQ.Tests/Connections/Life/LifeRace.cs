using System.Collections.Concurrent;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections.Life;

/// <summary>
/// One seed: threads send, broadcast, softquit, abort and stop at once. Which of them is first is not told, but what the two ends of each
/// connection saw in the end must fit together.
/// </summary>
internal sealed class LifeRace : IAsyncDisposable
{
    private const int Threads = 4;
    private const int Steps = 40;
    private const int Links = 8;

    private readonly int _seed;
    private readonly PeerPair _pair;
    private readonly ConcurrentDictionary<Connection, End> _ends = new();
    private readonly List<(End One, End Other)> _links = [];

    public LifeRace(Transport transport, int seed)
    {
        _seed = seed;
        var packet = Packet.Create(HandleAsync);
        _pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(packet));
        foreach (Peer peer in new Peer[] { _pair.Server, _pair.Client })
        {
            peer.ConnectionMade += (_, e) => EndOf(e.Connection).Seen.Enqueue("made");
            peer.ConnectionLost += (_, e) => EndOf(e.Connection).Seen.Enqueue("lost");
            peer.ConnectionRefused += (_, e) => EndOf(e.Connection).Seen.Enqueue("refused");
            peer.HandlerFailed += (_, e) => EndOf(e.Connection).Seen.Enqueue(e.Exception.ToString());
        }
    }

    public async Task RunAsync()
    {
        for (int i = 0; i < Links; i++)
        {
            (Connection client, Connection server) = await _pair.ConnectAsync();
            _links.Add((EndOf(client), EndOf(server)));
        }

        End[] ends = [.. _links.SelectMany(link => new[] { link.One, link.Other })];
        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() => ActAsync(thread, ends)))).Soon();
        await Task.WhenAll(_pair.Server.StopAsync(), _pair.Client.StopAsync()).Soon();
        foreach ((End one, End other) in _links)
        {
            await AssertEndAsync(one);
            await AssertEndAsync(other);
            AssertFits(one, other);
            AssertFits(other, one);
        }
    }

    public ValueTask DisposeAsync() => _pair.DisposeAsync();

    private static async Task AssertEndAsync(End end)
    {
        CloseInfo info = await end.Connection.Closed.Soon();
        string[] seen = [.. end.Seen];
        Assert.Equal("made", seen[0]);
        Assert.Equal("lost", seen[^1]);
        Assert.All(seen[1..^1], line => Assert.StartsWith("got ", line, StringComparison.Ordinal));
        Assert.Contains(info.Reason.Name, new[] { "reason.thread", ModelEnd.HandlerReason.Name, CloseReason.Shutdown.Name, CloseReason.Aborted.Name, CloseReason.ConnectionReset.Name });
        for (int thread = 0; thread < Threads; thread++)
            Assert.Equal(Enumerable.Range(0, end.Count(thread)).Select(number => $"got {thread} {number}"), end.Lane(thread));
    }

    /// <summary>Who was told a reason was told the other side's own, behind everything that the other side sent; and only who aborts cuts.</summary>
    private static void AssertFits(End end, End other)
    {
        CloseInfo info = end.Connection.Closed.Result;
        CloseInfo there = other.Connection.Closed.Result;
        string story = $"{info} against {there}";
        for (int thread = 0; thread < Threads; thread++)
            Assert.True(end.Count(thread) <= other.Sent[thread], story);
        switch (info.Initiator)
        {
            case CloseInitiator.Remote:
                Assert.True(there.Initiator == CloseInitiator.Local && there.Reason == info.Reason, story);
                for (int thread = 0; thread < Threads; thread++)
                    Assert.True(end.Count(thread) == other.Sent[thread], $"{story}: {end.Count(thread)} of {other.Sent[thread]} of thread {thread}");
                break;
            case CloseInitiator.Transport:
                Assert.True(there.Initiator == CloseInitiator.Local && other.WasAborted, story);
                break;
        }
    }

    private End EndOf(Connection connection) => _ends.GetOrAdd(connection, static made => new End(made));

    private async ValueTask HandleAsync(object? data, PacketContext context)
    {
        object?[] parts = (object?[])data!;
        End end = EndOf(context.Connection);
        if (parts.Length == 3)
            end.Seen.Enqueue($"got {parts[0]} {parts[1]}");
        if ((long)parts[1]! % 3 == 0)
            await Task.Yield();
        switch ((Wish)(long)parts[^1]!)
        {
            case Wish.Quit:
                await context.Connection.SoftQuitAsync(ModelEnd.HandlerReason);
                break;
            case Wish.Abort:
                end.WasAborted = true;
                context.Connection.Abort();
                break;
        }
    }

    private async Task ActAsync(int thread, End[] ends)
    {
        var random = new Random((_seed * 100) + thread);
        for (int step = 0; step < Steps; step++)
        {
            End end = ends[random.Next(ends.Length)];
            int choice = random.Next(100);
            try
            {
                switch (choice)
                {
                    case < 80:
                        Wish wish = random.Next(20) switch { 0 => Wish.Quit, 1 when random.Next(2) == 0 => Wish.Abort, _ => Wish.None };
                        await end.Connection.SendAsync(Registries.Name, new object[] { thread, end.Sent[thread], (long)wish });
                        end.Sent[thread]++;
                        break;
                    case < 86:
                        await end.Connection.Peer.BroadcastAsync(Registries.Name, new object[] { thread, (long)Wish.None });
                        break;
                    case < 94:
                        Task quitting = end.Connection.SoftQuitAsync("reason.thread");
                        if (choice % 2 == 0)
                            await quitting;
                        break;
                    case < 97:
                        end.WasAborted = true;
                        end.Connection.Abort();
                        break;
                    case 99 when step > Steps / 2:
                        await end.Connection.Peer.StopAsync();
                        break;
                }
            }
            catch (ConnectionClosedException exception)
            {
                Assert.Equal((await end.Connection.Closed).Reason, exception.CloseInfo.Reason);
            }
        }
    }

    private sealed class End(Connection connection)
    {
        public Connection Connection => connection;

        public ConcurrentQueue<string> Seen { get; } = new();

        /// <summary>How many packets each thread has sent from here. Each writes its own.</summary>
        public int[] Sent { get; } = new int[Threads];

        public bool WasAborted { get; set; }

        public int Count(int thread) => Lane(thread).Length;

        public string[] Lane(int thread) => [.. Seen.Where(line => line.StartsWith($"got {thread} ", StringComparison.Ordinal))];
    }
}
