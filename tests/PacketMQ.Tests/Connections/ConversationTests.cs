using System.Text;
using PacketMQ.Tests.Support;
using PolyType;

namespace PacketMQ.Tests.Connections;

/// <summary>What two peers can say to each other, on every transport.</summary>
public sealed partial class ConversationTests
{
    private const int LargestBinary = 99_997 - 5;

    [GenerateShape]
    public sealed partial record Move(int X, string Piece, byte[] Trace);

    [Theory, AllTransports]
    public async Task A_connection_takes_over_the_ids_of_the_side_that_keeps_its_own(Transport transport)
    {
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:one", Registries.Sink()), ("a:two", Registries.Sink())),
            Registries.Client(("a:two", Registries.Sink()), ("a:one", Registries.Sink())));
        (Connection client, Connection server) = await pair.ConnectAsync();

        Assert.Equal((17, 18), (client.Routes.WireIdOf("a:one"), client.Routes.WireIdOf("a:two")));
        Assert.Equal((17, 18), (server.Routes.WireIdOf("a:one"), server.Routes.WireIdOf("a:two")));
        Assert.Equal(1_001, pair.Client.Registry.GetId("a:one"));
        Assert.Equal(["a:one", "a:two"], client.PeerPacketNames);
        Assert.Equal(["a:two", "a:one"], server.PeerPacketNames);
        Assert.Equal((ConnectionState.Active, ConnectionState.Active), (client.State, server.State));
        Assert.Equal([client], pair.Client.Connections);
        Assert.Equal([server], pair.Server.Connections);
    }

    [Theory, AllTransports]
    public async Task An_echo_comes_back_to_whoever_sent_it(Transport transport)
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:echo", new EchoPacket("a:reply", TextWriter.Null)), ("a:reply", Registries.Sink())),
            Registries.Client(("a:echo", Registries.Sink()), ("a:reply", inbox.Packet)));
        (Connection client, _) = await pair.ConnectAsync();

        await client.SendAsync("a:echo", new Dictionary<object, object?> { ["foo"] = "bar", [123] = null, [0.001] = true, ["list"] = new object[] { "abc", "def" } });
        (object? data, PacketContext context) = await inbox.NextWithContextAsync();

        var map = Assert.IsAssignableFrom<PacketMap>(data);
        Assert.Equal("bar", map["foo"]);
        Assert.Null(map[123L]);
        Assert.Equal(true, map[0.001]);
        Assert.Equal(["abc", "def"], Assert.IsType<object?[]>(map["list"]));
        Assert.Equal(("a:reply", client, pair.Client), (context.PacketName, context.Connection, context.Peer));
    }

    [Theory, AllTransports]
    public async Task One_side_may_be_typed_and_the_other_dynamic(Transport transport)
    {
        var dynamicInbox = new Inbox();
        var arrived = new TaskCompletionSource<Move>();
        var typed = new Packet<Move>((move, _) => arrived.TrySetResult(move));
        await using var pair = new PeerPair(transport, Registries.Server(typed), Registries.Client(dynamicInbox.Packet));
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, new Dictionary<string, object?> { ["X"] = 5, ["Piece"] = "rook"u8.ToArray(), ["Trace"] = new byte[] { 1, 2 } });
        Move move = await arrived.Task.Soon();
        Assert.Equal((5, "rook"), (move.X, move.Piece));
        Assert.Equal([1, 2], move.Trace);

        await server.SendAsync(typed, new Move(-1, "queen", [3]));
        var map = Assert.IsAssignableFrom<PacketMap>(await dynamicInbox.NextAsync());
        Assert.Equal((-1L, "queen"), (map["X"], map["Piece"]));
        Assert.Equal(new byte[] { 3 }, map["Trace"]);
    }

    [Theory, AllTransports]
    public async Task A_hundred_thousand_packets_arrive_in_order(Transport transport)
    {
        const int count = 100_000;
        long expected = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var counter = new Packet<long>((number, _) =>
        {
            if (number != expected++)
                all.TrySetException(new InvalidOperationException($"{number} came in place of {expected - 1}."));
            else if (number == count - 1)
                all.TrySetResult();
        });
        var sender = new Packet<long>();
        await using var pair = new PeerPair(transport, Registries.Server(counter), Registries.Client(sender));
        (Connection client, _) = await pair.ConnectAsync();

        for (long number = 0; number < count; number++)
            await client.SendAsync(sender, number);

        await all.Task.Soon();
    }

    [Theory, AllTransports]
    public async Task Packets_of_every_size_arrive_whole(Transport transport)
    {
        var random = new Random(1_234);
        byte[][] sent = [.. Enumerable.Range(0, 150).Select(i => RandomBytes(random, i switch
        {
            0 => 0,
            1 => LargestBinary,
            _ => i % 10 == 0 ? random.Next(60_000, LargestBinary) : random.Next(1, 5_000),
        }))];
        var inbox = new Inbox();
        await using var pair = new PeerPair(transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()));
        (Connection client, _) = await pair.ConnectAsync();

        foreach (byte[] bytes in sent)
            await client.SendAsync(Registries.Name, bytes);
        foreach (byte[] bytes in sent)
            Assert.Equal(bytes, Assert.IsType<byte[]>(await inbox.NextAsync()));
    }

    [Theory, AllTransports]
    public async Task A_payload_above_the_largest_is_refused_at_the_caller_and_nothing_is_sent(Transport transport)
    {
        var inbox = new Inbox();
        var binary = new BinaryPacket();
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:one", inbox.Packet), ("a:binary", inbox.Packet)),
            Registries.Client(("a:one", Registries.Sink()), ("a:binary", binary)));
        (Connection client, _) = await pair.ConnectAsync();

        foreach (Func<ValueTask> send in new Func<ValueTask>[]
        {
            () => client.SendAsync("a:one", new byte[LargestBinary + 1]),
            () => client.SendAsync(binary, new byte[LargestBinary + 1]),
            () => client.SendEncodedAsync(new byte[] { 0, 17, 0xc6, 0, 1, 0x86, 0x99 }.Concat(new byte[LargestBinary + 1]).ToArray()),
        })
        {
            var refused = await Assert.ThrowsAsync<PacketException>(() => send().AsTask());
            Assert.Contains("99997", refused.Message);
        }

        await client.SendAsync("a:one", "next");
        Assert.Equal("next", await inbox.NextAsync());
        Assert.True(inbox.IsEmpty);
        Assert.Equal(ConnectionState.Active, client.State);
    }

    [Theory, AllTransports]
    public async Task Frames_of_many_senders_never_mix_and_each_sender_keeps_its_order(Transport transport)
    {
        const int senders = 8;
        const int each = 400;
        var next = new int[senders];
        int left = senders * each;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var check = Packet.Create((data, _) =>
        {
            var parts = (object?[])data!;
            (int sender, int number, string fill) = ((int)(long)parts[0]!, (int)(long)parts[1]!, (string)parts[2]!);
            if (number != next[sender]++ || fill != new string((char)('a' + sender), number * 7 % 3_000))
                all.TrySetException(new InvalidOperationException($"Number {number} of sender {sender} came as {fill.Length} characters after {next[sender] - 1}."));
            else if (--left == 0)
                all.TrySetResult();
        });
        await using var pair = new PeerPair(transport, Registries.Server(check), Registries.Client(Registries.Sink()));
        (Connection client, _) = await pair.ConnectAsync();

        await Task.WhenAll(Enumerable.Range(0, senders).Select(sender => Task.Run(async () =>
        {
            for (int number = 0; number < each; number++)
                await client.SendAsync(Registries.Name, new object[] { sender, number, new string((char)('a' + sender), number * 7 % 3_000) });
        }))).Soon();

        await all.Task.Soon();
    }

    [Theory, AllTransports]
    public async Task Both_sides_may_send_at_once_and_replies_find_their_way(Transport transport)
    {
        const int count = 2_000;
        var back = new Inbox();
        var reply = Packet.Create((data, context) => context.ReplyAsync("a:back", data));
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:there", reply), ("a:back", back.Packet)), Registries.Client(("a:there", reply), ("a:back", back.Packet)));
        (Connection client, Connection server) = await pair.ConnectAsync();

        await Task.WhenAll(new[] { client, server }.Select(connection => Task.Run(async () =>
        {
            for (int i = 0; i < count; i++)
                await connection.SendAsync("a:there", Encoding.ASCII.GetBytes($"{connection.Id} {i}"));
        }))).Soon();

        for (int i = 0; i < 2 * count; i++)
            await back.NextAsync();
    }

    [Theory, AllTransports]
    public async Task Connections_do_not_wait_for_each_other(Transport transport)
    {
        var block = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox();
        var mixed = Packet.Create(async (data, context) =>
        {
            if (data is "wait")
                await block.Task;
            await inbox.Packet.OnReceiveAsync(data, context);
        });
        await using var pair = new PeerPair(transport, Registries.Server(mixed), Registries.Client(Registries.Sink()));
        (Connection first, _) = await pair.ConnectAsync();
        (Connection second, _) = await pair.ConnectAsync();

        await first.SendAsync(Registries.Name, "wait");
        await second.SendAsync(Registries.Name, "pass");
        Assert.Equal("pass", await inbox.NextAsync());
        block.SetResult();
        Assert.Equal("wait", await inbox.NextAsync());
    }

    [Theory, AllTransports]
    public async Task A_handler_that_blocks_its_thread_does_not_keep_other_connections_waiting(Transport transport)
    {
        using var block = new ManualResetEventSlim();
        var inbox = new Inbox();
        var mixed = Packet.Create((data, context) =>
        {
            if (data is "wait")
                Assert.True(block.Wait(Bounded.Limit));
            inbox.Packet.OnReceiveAsync(data, context);
        });
        await using var pair = new PeerPair(transport, Registries.Server(mixed), Registries.Client(Registries.Sink()));
        (Connection first, _) = await pair.ConnectAsync();
        (Connection second, _) = await pair.ConnectAsync();

        await first.SendAsync(Registries.Name, "wait");
        await second.SendAsync(Registries.Name, "pass");
        Assert.Equal("pass", await inbox.NextAsync());
        block.Set();
        Assert.Equal("wait", await inbox.NextAsync());
    }

    private static byte[] RandomBytes(Random random, int length)
    {
        byte[] bytes = new byte[length];
        random.NextBytes(bytes);
        return bytes;
    }
}
