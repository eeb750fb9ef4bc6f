using System.Buffers;
using System.Collections.Concurrent;
using System.Threading.Channels;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class BroadcastTests
{
    private const string Other = "test:other";

    private static readonly PeerOptions Small = new() { MaxPendingSendBytes = 1_048_576, MaxWaitingSendBytes = 2_000_000 };

    [Theory, AllTransports]
    internal async Task Broadcasts_and_single_sends_arrive_in_the_order_they_were_sent(Transport transport)
    {
        const int Connections = 5;
        const int Packets = 4_000;
        var arrived = new ConcurrentDictionary<Connection, ConcurrentQueue<int>>();
        var sent = new Dictionary<long, List<int>>();
        var received = new BinaryPacket((data, context) => arrived.GetOrAdd(context.Connection, _ => []).Enqueue(Number(data)));
        var packet = new BinaryPacket();
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(received));
        var ends = new List<(Connection Client, Connection Server)>();
        for (int i = 0; i < Connections; i++)
            ends.Add(await pair.ConnectAsync());
        var random = new Random(7);
        foreach ((_, Connection server) in ends)
            sent[server.Id] = [];

        for (int i = 0; i < Packets; i++)
        {
            // Now and then larger than what is shared at a time, and larger than what is written at a time.
            byte[] bytes = new byte[random.Next(50) == 0 ? random.Next(4, 99_000) : random.Next(4, 200)];
            BitConverter.TryWriteBytes(bytes, i);
            if (random.Next(3) == 0)
            {
                Connection one = ends[random.Next(Connections)].Server;
                await one.SendAsync(packet, bytes);
                sent[one.Id].Add(i);
            }
            else
            {
                Assert.Equal(Connections, await pair.Server.BroadcastAsync(packet, bytes));
                sent.Values.ToList().ForEach(list => list.Add(i));
            }
        }

        foreach ((Connection client, Connection server) in ends)
        {
            await Bounded.UntilAsync(() => arrived.TryGetValue(client, out ConcurrentQueue<int>? list) && list.Count >= sent[server.Id].Count);
            Assert.Equal(sent[server.Id], arrived[client]);
        }
    }

    [Fact]
    public async Task Broadcasts_of_several_threads_mix_but_each_keeps_its_order()
    {
        const int Threads = 3;
        const int Packets = 20_000;
        var got = new ConcurrentDictionary<Connection, int[]>();
        int wrong = 0;
        int complete = 0;
        var received = new BinaryPacket((data, context) =>
        {
            int[] next = got.GetOrAdd(context.Connection, _ => new int[Threads]);
            int number = Number(data);
            if (next[number % Threads]++ != number / Threads)
                Interlocked.Increment(ref wrong);
            if (next.Sum() == Threads * Packets)
                Interlocked.Increment(ref complete);
        });
        var packet = new BinaryPacket();
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(packet), Registries.Client(received), new PeerOptions { MaxWaitingSends = Threads * Packets });
        for (int i = 0; i < 4; i++)
            await pair.ConnectAsync();

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
        {
            byte[] bytes = new byte[20];
            for (int i = 0; i < Packets; i++)
            {
                BitConverter.TryWriteBytes(bytes, (i * Threads) + thread);
                await pair.Server.BroadcastAsync(packet, bytes);
            }
        }))).Soon();
        await Bounded.UntilAsync(() => Volatile.Read(ref complete) == 4);
        Assert.Equal(0, wrong);
    }

    [Fact]
    public async Task A_broadcast_encodes_once_and_counts_who_got_it()
    {
        var counting = new CountingPacket();
        var got = new Arrivals<object?>();
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(counting), Registries.Client(Packet.Create((data, _) => got.Add(data))));
        Assert.Equal(0, await pair.Server.BroadcastAsync(counting, "nobody"));
        Assert.Equal(0, counting.Encoded);
        for (int i = 0; i < 10; i++)
            await pair.ConnectAsync();

        Assert.Equal(10, await pair.Server.BroadcastAsync(Registries.Name, "all"));
        for (int i = 0; i < 10; i++)
            Assert.Equal("all", await got.NextAsync());
        Assert.Equal(1, counting.Encoded);
    }

    [Fact]
    public async Task Each_connection_gets_the_packet_under_its_own_id()
    {
        var got = new Arrivals<(int WireId, string Text)>();
        var text = new Packet<string>();
        await using var server = new MemoryServer(Registries.Client(text)); // adapts to whatever ids its clients have
        var clients = new List<MemoryClient>();
        for (int i = 0; i < 3; i++)
        {
            var client = new MemoryClient(Registries.Make(
                adapts: false, 100 * (i + 1), (Registries.Name, new Packet<string>((data, context) => got.Add((context.WireId, data))))));
            clients.Add(client);
            await client.ConnectAsync(server);
        }

        await Bounded.UntilAsync(() => server.Connections.Length == 3);
        Assert.Equal(3, await server.BroadcastAsync(text, "one"));
        (int WireId, string Text)[] all = [await got.NextAsync(), await got.NextAsync(), await got.NextAsync()];
        Assert.Equal([(100, "one"), (200, "one"), (300, "one")], all.Order());
        foreach (MemoryClient client in clients)
            await client.DisposeAsync();
    }

    [Fact]
    public async Task Who_does_not_have_the_packet_is_left_out()
    {
        var got = new Arrivals<object?>();
        var both = Packet.Create((data, _) => got.Add(data));
        // Only the side that adapts looks at what the other one has.
        await using var server = new MemoryServer(
            Registries.Client((Registries.Name, Registries.Sink()), (Other, Registries.Sink())), new PeerOptions { PacketMismatch = PacketMismatch.Allow });
        await using var complete = new MemoryClient(Registries.Server((Registries.Name, both), (Other, both)));
        await using var partial = new MemoryClient(Registries.Server((Registries.Name, both)));
        await complete.ConnectAsync(server);
        await partial.ConnectAsync(server);
        await Bounded.UntilAsync(() => server.Connections.Length == 2);

        Assert.Equal(1, await server.BroadcastAsync(Other, 1));
        Assert.Equal((byte)1, Convert.ToByte(await got.NextAsync(), System.Globalization.CultureInfo.InvariantCulture));
        Assert.All(server.Connections, connection => Assert.Equal(ConnectionState.Active, connection.State));
    }

    [Fact]
    public async Task What_one_receiver_is_left_out_of_does_not_get_into_its_stream()
    {
        const int Packets = 5_000;
        var got = new Arrivals<object?>();
        await using var server = new MemoryServer(
            Registries.Client((Registries.Name, Registries.Sink()), (Other, Registries.Sink())), new PeerOptions { PacketMismatch = PacketMismatch.Allow });
        await using var complete = new MemoryClient(Registries.Server((Registries.Name, Registries.Sink()), (Other, Registries.Sink())));
        await using var partial = new MemoryClient(Registries.Server((Registries.Name, Packet.Create((data, _) => got.Add(data)))));
        await complete.ConnectAsync(server);
        Connection connection = await partial.ConnectAsync(server);
        await Bounded.UntilAsync(() => server.Connections.Length == 2);

        // Behind each other in the memory that all send from, and in a burst, so that they gather.
        for (int i = 0; i < Packets; i++)
        {
            await server.BroadcastAsync(Registries.Name, i);
            await server.BroadcastAsync(Other, -1);
        }

        for (int i = 0; i < Packets; i++)
            Assert.Equal((long)i, Convert.ToInt64(await got.NextAsync(), System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(ConnectionState.Active, connection.State);
    }

    [Fact]
    public async Task A_connection_whose_guard_forbids_the_packet_is_passed_over()
    {
        var got = new Arrivals<object?>();
        PacketRegistry registry = Registries.Server(Registries.Sink());
        await using var server = new MemoryServer(registry);
        await using var free = new MemoryClient(Registries.Client(Packet.Create((data, _) => got.Add(data))));
        await using var guarded = new MemoryClient(Registries.Client(Packet.Create((data, _) => got.Add("forbidden"))));
        await free.ConnectAsync(server);
        await Bounded.UntilAsync(() => server.Connections.Length == 1);

        // A connection keeps the guards that the registry had when it was made.
        registry.RemovePacket(Registries.Name);
        registry.AddPacket(Registries.Name, Registries.Sink(), 17, new PacketGuard { Flow = PacketFlow.ClientToServer });
        await guarded.ConnectAsync(server);
        await Bounded.UntilAsync(() => server.Connections.Length == 2);
        Assert.Equal(1, await server.BroadcastAsync(Registries.Name, "allowed"));
        Assert.Equal("allowed", await got.NextAsync());
        await server.StopAsync().Soon(); // behind all that was sent
        await guarded.StopAsync().Soon();
        Assert.True(got.IsEmpty);
    }

    [Fact]
    public async Task What_can_not_be_sent_is_thrown_at_the_caller_and_nobody_gets_it()
    {
        var got = new Arrivals<object?>();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Packet.Create((data, _) => got.Add(data))));
        Assert.Throws<PacketException>(() => { _ = pair.Server.BroadcastAsync("not:registered", 1); });
        Assert.Throws<PacketException>(() => { _ = pair.Server.BroadcastAsync("packetmq:softquit", 1); });
        Assert.Throws<ArgumentNullException>(() => { _ = pair.Server.BroadcastAsync((BinaryPacket)null!, default(ReadOnlyMemory<byte>)); });
        Assert.Throws<ArgumentNullException>(() => { _ = pair.Server.BroadcastAsync((Packet<int>)null!, 1); });
        await pair.ConnectAsync();
        Assert.Throws<PacketException>(() => { _ = pair.Server.BroadcastAsync(Registries.Name, new object()); });
        Assert.Throws<PacketException>(() => { _ = pair.Server.BroadcastAsync(Registries.Name, new byte[100_000]); });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await pair.Server.BroadcastAsync(Registries.Name, 1, new CancellationToken(canceled: true)));

        await pair.Server.BroadcastAsync(Registries.Name, "next");
        Assert.Equal("next", await got.NextAsync());
    }

    [Fact]
    public async Task A_guard_that_forbids_a_packet_on_every_connection_throws_at_the_caller()
    {
        var registry = new PacketRegistry();
        registry.AddPacket(Registries.Name, new Packet<string>(), 17, new PacketGuard { RequireTls = true });
        await using var server = new MemoryServer(registry);
        await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
        await client.ConnectAsync(server);
        await Bounded.UntilAsync(() => server.Connections.Length == 1);

        var refused = Assert.Throws<PacketException>(() => { _ = server.BroadcastAsync(Registries.Name, "secret"); });
        Assert.Contains("can't be sent on any connection", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ConnectionState.Active, Assert.Single(server.Connections).State);
    }

    [Theory]
    [InlineData(SlowReceiverAction.Queue)]
    [InlineData(SlowReceiverAction.Skip)]
    [InlineData(SlowReceiverAction.Close)]
    public async Task A_receiver_that_does_not_read_holds_nobody_up(SlowReceiverAction action)
    {
        const int Packets = 300;
        int arrived = 0;
        var received = new BinaryPacket((_, _) => Interlocked.Increment(ref arrived));
        var packet = new BinaryPacket();
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(packet), Registries.Client(received), Small with { SlowReceiver = action, SendTimeout = null });
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection slow = await pair.NextMadeAsync();
        for (int i = 0; i < 3; i++)
            await pair.ConnectAsync();

        byte[] bytes = new byte[90_000];
        for (int i = 1; i <= Packets; i++)
        {
            await pair.Server.BroadcastAsync(packet, bytes).AsTask().Soon();
            await Bounded.UntilAsync(() => Volatile.Read(ref arrived) == 3 * i); // so that only the deaf one is ever behind
        }

        if (action == SlowReceiverAction.Skip)
        {
            Assert.Equal(ConnectionState.Active, slow.State);
            Assert.Equal(3, await pair.Server.BroadcastAsync(packet, bytes));
        }
        else
        {
            CloseInfo end = await slow.Closed.Soon();
            Assert.Equal((CloseReason.SlowConsumer, CloseInitiator.Local), (end.Reason, end.Initiator));
            Assert.Equal(3, pair.Server.Connections.Length);
        }
    }

    [Fact]
    public async Task Without_a_faster_half_a_broadcast_waits_for_room()
    {
        var packet = new BinaryPacket();
        await using var pair = new PeerPair(Transport.TcpIPv4, Registries.Server(packet), Registries.Client(new BinaryPacket()), Small with { MaxWaitingSendBytes = 50_000_000 });
        await using RawEnd deaf = await RawEnd.ConnectAsync(pair);
        Connection slow = await pair.NextMadeAsync();
        byte[] bytes = new byte[90_000];
        // So many that no buffer of the system's lets the last of them in.
        Task<int>[] broadcasts = [.. Enumerable.Range(0, 200).Select(_ => pair.Server.BroadcastAsync(packet, bytes).AsTask())];
        Assert.False(broadcasts[^1].IsCompleted);

        using var impatience = new CancellationTokenSource();
        Task<int> impatient = pair.Server.BroadcastAsync(packet, bytes, impatience.Token).AsTask();
        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient.Soon());

        slow.Abort();
        Assert.All(await Task.WhenAll(broadcasts).Soon(), count => Assert.Equal(1, count)); // what waited ends with its connection
    }

    [Fact]
    public async Task Connections_may_come_and_go_while_packets_are_broadcast()
    {
        var text = new Packet<string>();
        await using var server = new MemoryServer(Registries.Server(text));
        using var end = new CancellationTokenSource(TimeSpan.FromMilliseconds(700));
        Task[] visitors = [.. Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                var got = new Arrivals<string>();
                await using var client = new MemoryClient(Registries.Client(new Packet<string>((data, _) => got.Add(data))));
                await client.ConnectAsync(server);
                Assert.Equal("news", await got.NextAsync());
            }
        }))];
        Task[] criers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(async () =>
        {
            while (!visitors.All(visitor => visitor.IsCompleted))
            {
                await server.BroadcastAsync(text, "news");
                Assert.All(server.Connections, Assert.NotNull);
                await Task.Yield();
            }
        }))];
        await Task.WhenAll([.. visitors, .. criers]).Soon();
    }

    private static int Number(in ReadOnlySequence<byte> data)
    {
        Span<byte> number = stackalloc byte[4];
        data.Slice(0, 4).CopyTo(number);
        return BitConverter.ToInt32(number);
    }

    private sealed class Arrivals<T>
    {
        private readonly Channel<T> _arrivals = Channel.CreateUnbounded<T>();

        public bool IsEmpty => _arrivals.Reader.Count == 0;

        public void Add(T arrival) => _arrivals.Writer.TryWrite(arrival);

        public Task<T> NextAsync() => _arrivals.Reader.ReadAsync().Soon();
    }

    private sealed class CountingPacket : Packet
    {
        private int _encoded;

        public int Encoded => Volatile.Read(ref _encoded);

        protected internal override void OnEncode(object? data, IBufferWriter<byte> payload)
        {
            Interlocked.Increment(ref _encoded);
            base.OnEncode(data, payload);
        }
    }
}
