using System.Buffers;
using Nerdbank.MessagePack;
using PacketMQ.Tests.Support;
using PolyType;

namespace PacketMQ.Tests;

/// <summary>Packets of the application's own: the four hooks, and what their exceptions do.</summary>
public sealed partial class PacketTests
{
    [GenerateShape]
    public sealed partial record Score(string Player, int Points);

    [Fact]
    public async Task A_dynamic_packet_runs_all_four_hooks_in_order()
    {
        var (sender, receiver) = (new Spelled(), new Spelled());
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(receiver), Registries.Client(sender));
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(sender, "word");
        Assert.Equal("word>sent>encoded>decoded", await receiver.Received.Task.Soon());
        Assert.Equal((client, Registries.Name, 17), (sender.SentTo!.Value.Connection, sender.SentTo.Value.PacketName, sender.SentTo.Value.WireId));
        Assert.Equal(server, receiver.From!.Value.Connection);
    }

    [Fact]
    public async Task A_typed_packet_runs_all_four_hooks_in_order_however_it_is_sent()
    {
        foreach (bool typed in new[] { true, false })
        {
            var (sender, receiver) = (new Counted(), new Counted());
            await using var pair = new PeerPair(Transport.Memory, Registries.Server(receiver), Registries.Client(sender));
            (Connection client, _) = await pair.ConnectAsync();

            await (typed ? client.SendAsync(sender, new Score("ann", 1)) : client.SendAsync(Registries.Name, new Score("ann", 1)));
            Assert.Equal(new Score("ann>sent>encoded>decoded", 1), await receiver.Received.Task.Soon());
        }
    }

    [Fact]
    public async Task An_exception_of_a_sending_hook_reaches_the_sender_and_nothing_is_sent()
    {
        var inbox = new Inbox();
        var typed = new Counted();
        var dynamic = new Spelled();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:typed", inbox.Packet), ("a:dynamic", inbox.Packet)), Registries.Client(("a:typed", typed), ("a:dynamic", dynamic)));
        (Connection client, _) = await pair.ConnectAsync();

        foreach (string hook in new[] { "OnSend", "OnEncode", "nothing" })
        {
            (typed.Faulty, dynamic.Faulty) = (hook, hook);
            foreach (Func<ValueTask> send in new Func<ValueTask>[]
            {
                () => client.SendAsync(typed, new Score("x", 1)), () => client.SendAsync("a:typed", new Score("x", 1)), () => client.SendAsync("a:dynamic", "x"),
            })
            {
                var refused = await Assert.ThrowsAsync<PacketException>(() => send().AsTask());
                Assert.Equal(hook != "nothing", refused.InnerException is TimeZoneNotFoundException);
            }
        }

        (typed.Faulty, dynamic.Faulty) = ("", "");
        await client.SendAsync("a:dynamic", "good");
        Assert.Equal("good>sent>encoded", await inbox.NextAsync());
        Assert.True(inbox.IsEmpty);
    }

    [Fact]
    public async Task An_exception_of_the_decoding_hook_is_the_payloads_fault_and_one_of_the_handler_is_not()
    {
        foreach (Packet packet in new Packet[] { new Spelled { Faulty = "OnDecode" }, new Counted { Faulty = "OnDecode" } })
        {
            await using var pair = new PeerPair(Transport.Memory, Registries.Server(packet), Registries.Client(Registries.Sink()));
            (Connection client, Connection server) = await pair.ConnectAsync();
            await client.SendAsync(Registries.Name, null);
            Assert.Equal(CloseReason.TypeMismatch, (await server.Closed.Soon()).Reason);
            Assert.Equal((CloseReason.TypeMismatch, CloseInitiator.Remote), ((await client.Closed.Soon()).Reason, (await client.Closed).Initiator));
        }

        foreach (Packet packet in new Packet[] { new Spelled { Faulty = "OnReceiveAsync" }, new Counted { Faulty = "OnReceiveAsync" } })
        {
            var failed = new TaskCompletionSource<Exception>();
            await using var pair = new PeerPair(Transport.Memory, Registries.Server(packet), Registries.Client(Registries.Sink()));
            pair.Server.HandlerFailed += (_, failure) => failed.TrySetResult(failure.Exception);
            (Connection client, Connection server) = await pair.ConnectAsync();
            await client.SendAsync(Registries.Name, packet is Spelled ? "x" : new Dictionary<string, object> { ["Player"] = "x", ["Points"] = 1 });
            Assert.IsType<TimeZoneNotFoundException>(await failed.Task.Soon());
            Assert.Equal(ConnectionState.Active, server.State);
        }
    }

    [Fact]
    public async Task A_lack_of_memory_while_decoding_is_not_the_payloads_fault()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(new Starved()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();
        await client.SendAsync(Registries.Name, null);
        Assert.Equal(CloseReason.InternalError, (await server.Closed.Soon()).Reason);
    }

    [Fact]
    public async Task Data_of_another_type_than_the_packets_is_refused_and_named()
    {
        var typed = new Packet<Score>();
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(typed), Registries.Client(typed));
        (Connection client, _) = await pair.ConnectAsync();

        foreach (object? data in new object?[] { "text", null, 5 })
        {
            var refused = await Assert.ThrowsAsync<PacketException>(() => client.SendAsync(Registries.Name, data).AsTask());
            Assert.Contains(nameof(Score), refused.Message);
        }

        await Assert.ThrowsAsync<PacketException>(() => client.SendAsync(typed, null!).AsTask());
        Assert.Contains("Version", (await Assert.ThrowsAsync<PacketException>(() => client.SendAsync(Registries.Name, new Version(1, 2)).AsTask())).Message);
    }

    [Fact]
    public void A_type_without_a_shape_and_a_missing_handler_are_refused_at_once()
    {
        Assert.Contains("GenerateShape", Assert.Throws<NotSupportedException>(() => new Packet<Version>()).Message);
        Assert.Throws<ArgumentNullException>(() => Packet.Create((Action<object?, PacketContext>)null!));
        Assert.Throws<ArgumentNullException>(() => Packet.Create((Func<object?, PacketContext, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => new Packet<int>((Action<int, PacketContext>)null!));
        Assert.Throws<ArgumentNullException>(() => new Packet<int>((Func<int, PacketContext, ValueTask>)null!));
        Assert.Throws<ArgumentNullException>(() => new BinaryPacket((Action<ReadOnlySequence<byte>, PacketContext>)null!));
    }

    [Fact]
    public async Task A_hook_may_send_packets_itself()
    {
        var inbox = new Inbox();
        var nested = new Nested();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:outer", inbox.Packet), ("a:inner", inbox.Packet)), Registries.Client(("a:outer", nested), ("a:inner", Registries.Sink())));
        (Connection client, _) = await pair.ConnectAsync();
        await client.SendAsync("a:outer", "data");
        Assert.Equal("before", await inbox.NextAsync());
        Assert.Equal("data", await inbox.NextAsync());
    }

    [Fact]
    public async Task Binary_packets_travel_as_bytes_whatever_they_are_given_in()
    {
        var received = new Inbox();
        var binary = new BinaryPacket((bytes, context) => { received.Packet.OnReceiveAsync(bytes.ToArray(), context); });
        var sender = new BinaryPacket();
        await using var pair = new PeerPair(Transport.TcpIPv4, Registries.Server(binary), Registries.Client(sender));
        (Connection client, _) = await pair.ConnectAsync();
        byte[] bytes = [1, 2, 3];

        await client.SendAsync(sender, bytes.AsMemory());
        await client.SendAsync(Registries.Name, bytes);
        await client.SendAsync(Registries.Name, (ReadOnlyMemory<byte>)bytes);
        await client.SendAsync(Registries.Name, new ReadOnlySequence<byte>(bytes));
        await client.SendAsync(sender, new ReadOnlySequence<byte>(bytes));
        await pair.Client.SendAsync(sender, bytes);
        for (int i = 0; i < 6; i++)
            Assert.Equal(bytes, await received.NextAsync());

        for (int length = 250; length < 66_000; length = (length * 2) + 5)
        {
            await client.SendAsync(sender, new byte[length]);
            Assert.Equal(length, ((byte[])(await received.NextAsync())!).Length);
        }

        await Assert.ThrowsAsync<PacketException>(() => client.SendAsync(Registries.Name, "text").AsTask());
    }

    [Fact]
    public async Task Bytes_can_be_sent_from_wherever_a_packet_can()
    {
        var echoes = new Inbox();
        var replying = new BinaryPacket();
        var asked = new BinaryPacket((bytes, context) => context.ReplyAsync(replying, bytes.First));
        var reply = new BinaryPacket((bytes, context) => { echoes.Packet.OnReceiveAsync(bytes.ToArray(), context); });
        var asking = new BinaryPacket();
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(("a:asked", asked), ("a:reply", replying)), Registries.Client(("a:asked", asking), ("a:reply", reply)));
        (_, Connection server) = await pair.ConnectAsync();
        ReadOnlyMemory<byte> bytes = new byte[] { 1, 2, 3 };

        await pair.Client.SendAsync(asking, bytes);
        Assert.Equal(bytes.ToArray(), await echoes.NextAsync());
        await pair.Server.SendAsync(replying, bytes, to: server);
        Assert.Equal(bytes.ToArray(), await echoes.NextAsync());
        Assert.Throws<KeyNotFoundException>(() => { _ = pair.Server.SendAsync(replying, bytes, to: 4_711); });
    }

    /// <summary>Memory in an object would be a box for each packet.</summary>
    [Fact]
    public void Bytes_have_a_way_of_their_own_wherever_typed_data_has_one()
    {
        (Type Type, string Name)[] ways =
        [
            (typeof(Connection), "SendAsync"), (typeof(Peer), "SendAsync"), (typeof(Peer), "BroadcastAsync"), (typeof(ClientPeer), "SendAsync"),
            (typeof(PacketContext), "ReplyAsync"),
        ];
        Assert.All(ways, way => Assert.Contains(
            way.Type.GetMethods(), method => method.Name == way.Name && method.GetParameters()[0].ParameterType == typeof(BinaryPacket)
                && method.GetParameters()[1].ParameterType == typeof(ReadOnlyMemory<byte>)));
    }

    private static T Broken<T>(string faulty, string hook, T value) => faulty == hook ? throw new TimeZoneNotFoundException(hook) : value;

    private sealed class Starved : Packet
    {
        protected internal override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context) => throw new InsufficientMemoryException();
    }

    /// <summary>Each hook leaves its mark on the data.</summary>
    private sealed class Spelled : Packet
    {
        public TaskCompletionSource<object?> Received { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public PacketContext? SentTo { get; private set; }

        public PacketContext? From { get; private set; }

        public string Faulty { get; set; } = "";

        protected internal override object? OnSend(object? data, PacketContext context)
        {
            SentTo = context;
            return Broken(Faulty, "OnSend", $"{data}>sent");
        }

        protected internal override void OnEncode(object? data, IBufferWriter<byte> payload)
        {
            if (Faulty != "nothing")
                base.OnEncode(Broken(Faulty, "OnEncode", $"{data}>encoded"), payload);
        }

        protected internal override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context) => Broken(Faulty, "OnDecode", $"{base.OnDecode(payload, context)}>decoded");

        protected internal override ValueTask OnReceiveAsync(object? data, PacketContext context)
        {
            From = context;
            Received.TrySetResult(Broken(Faulty, "OnReceiveAsync", data));
            return default;
        }
    }

    private sealed class Counted : Packet<Score>
    {
        public TaskCompletionSource<Score> Received { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Faulty { get; set; } = "";

        protected internal override Score OnSend(Score data, PacketContext context) => Broken(Faulty, "OnSend", data with { Player = $"{data.Player}>sent" });

        protected internal override void OnEncode(Score data, IBufferWriter<byte> payload)
        {
            if (Faulty != "nothing")
                base.OnEncode(Broken(Faulty, "OnEncode", data with { Player = $"{data.Player}>encoded" }), payload);
        }

        protected internal override Score OnDecode(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, PacketContext context)
        {
            Broken(Faulty, "OnDecode", 0);
            Score score = base.OnDecode(payload, hasBinaryKeys, context);
            return score with { Player = $"{score.Player}>decoded" };
        }

        protected internal override ValueTask OnReceiveAsync(Score data, PacketContext context)
        {
            Received.TrySetResult(Broken(Faulty, "OnReceiveAsync", data));
            return base.OnReceiveAsync(data, context);
        }
    }

    private sealed class Nested : Packet
    {
        protected internal override void OnEncode(object? data, IBufferWriter<byte> payload)
        {
            var writer = new MessagePackWriter(payload);
            writer.Write((string)data!);
            writer.Flush();
        }

        protected internal override object? OnSend(object? data, PacketContext context)
        {
            context.ReplyAsync("a:inner", "before").AsTask().Wait(Bounded.Limit);
            return data;
        }
    }
}
