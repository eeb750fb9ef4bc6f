using CsCheck;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class PacketRegistryTests
{
    private readonly PacketRegistry _registry = new();

    [Theory]
    [InlineData("")]
    [InlineData("packet")]
    [InlineData(":packet")]
    [InlineData("application:")]
    [InlineData("application:packet\n")]
    [InlineData("application:päckchen")]
    [InlineData("a:\u001b[31m")]
    public void A_name_that_is_not_application_and_packet_in_printable_ascii_is_refused(string name)
    {
        var refused = Assert.Throws<ArgumentException>(() => _registry.AddPacket(name, Registries.Sink(), 17));
        Assert.Contains("<application>:<packet>", refused.Message);
        Assert.DoesNotContain(refused.Message, char.IsControl);
        Assert.Empty(_registry.PacketNames);
    }

    [Fact]
    public void The_longest_name_has_255_characters()
    {
        string name = "a:" + new string('b', 253);
        _registry.AddPacket(name, Registries.Sink(), 17);
        Assert.Throws<ArgumentException>(() => _registry.AddPacket(name + "c", Registries.Sink(), 18));
        Assert.Equal([name], _registry.PacketNames);
    }

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(65_536)]
    public void An_id_outside_of_the_applications_range_is_refused_and_named(int id)
    {
        var refused = Assert.Throws<ArgumentOutOfRangeException>(() => _registry.AddPacket("a:b", Registries.Sink(), id));
        Assert.Contains(id.ToString(System.Globalization.CultureInfo.InvariantCulture), refused.Message);
        Assert.Contains("16 to 65535", refused.Message);
        Assert.Contains("a:b", refused.Message);
    }

    [Fact]
    public void Names_and_ids_are_unique_and_the_message_says_whose_they_are()
    {
        _registry.AddPacket("a:one", Registries.Sink(), 17);
        Assert.Contains("with the id 17", Assert.Throws<ArgumentException>(() => _registry.AddPacket("a:one", Registries.Sink(), 18)).Message);
        Assert.Contains("'a:one'", Assert.Throws<ArgumentException>(() => _registry.AddPacket("a:two", Registries.Sink(), 17)).Message);
        _registry.AddPacket("a:ONE", Registries.Sink(), 18);
        Assert.Equal(["a:one", "a:ONE"], _registry.PacketNames);
    }

    [Fact]
    public void Nothing_is_null()
    {
        Assert.Throws<ArgumentNullException>(() => _registry.AddPacket(null!, Registries.Sink(), 17));
        Assert.Throws<ArgumentNullException>(() => _registry.AddPacket("a:b", null!, 17));
        Assert.Throws<ArgumentNullException>(() => _registry.GetId((string)null!));
        Assert.Throws<ArgumentNullException>(() => _registry.GetId((Packet)null!));
    }

    [Fact]
    public void A_key_may_be_a_name_an_id_or_an_object_and_is_passed_through_if_it_is_right_already()
    {
        Packet packet = Registries.Sink();
        _registry.AddPacket("a:b", packet, 17);
        foreach (PacketKey key in new PacketKey[] { "a:b", 17, packet })
        {
            Assert.Equal("a:b", _registry.GetName(key));
            Assert.Equal(17, _registry.GetId(key));
            Assert.Same(packet, _registry.GetPacket(key));
            Assert.True(_registry.TryGetName(key, out string? name) && name == "a:b");
            Assert.True(_registry.TryGetId(key, out int id) && id == 17);
            Assert.True(_registry.TryGetPacket(key, out Packet? value) && value == packet);
        }
    }

    [Fact]
    public void An_unknown_key_is_named()
    {
        Packet packet = Registries.Sink();
        foreach ((PacketKey key, string text) in new (PacketKey, string)[] { ("no:such\n", @"'no:such\x0a'"), (99, "id 99"), (packet, "object of type DelegatePacket") })
        {
            Assert.Contains(text, Assert.Throws<KeyNotFoundException>(() => _registry.GetName(key)).Message);
            Assert.Throws<KeyNotFoundException>(() => _registry.GetId(key));
            Assert.Throws<KeyNotFoundException>(() => _registry.GetPacket(key));
            Assert.False(_registry.TryGetName(key, out _) || _registry.TryGetId(key, out _) || _registry.TryGetPacket(key, out _));
            Assert.False(_registry.RemovePacket(key));
        }
    }

    [Fact]
    public void The_control_packets_are_there_under_their_documented_names_and_stay()
    {
        string[] names = ["packetmq:handshake_init", "packetmq:softquit", "packetmq:handshake_pubids", "packetmq:handshake_finish"];
        for (int id = 0; id < names.Length; id++)
        {
            Assert.Equal(names[id], _registry.GetName(id));
            Assert.Equal(id, _registry.GetId(names[id]));
            Packet packet = _registry.GetPacket(id);
            Assert.Equal(id, _registry.GetId(packet));
            foreach (PacketKey key in new PacketKey[] { names[id], id, packet })
                Assert.Throws<ArgumentException>(() => _registry.RemovePacket(key));
            Assert.Throws<ArgumentException>(() => _registry.AddPacket("a:b", packet, 17));
        }

        Assert.Throws<ArgumentException>(() => _registry.AddPacket("packetmq:mine", Registries.Sink(), 17));
        Assert.Empty(_registry.PacketNames);
        Assert.Throws<KeyNotFoundException>(() => _registry.GetName(4));
    }

    [Fact]
    public async Task The_control_packets_can_not_be_sent()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, _) = await pair.ConnectAsync();
        foreach (PacketKey key in new PacketKey[] { "packetmq:softquit", 1, pair.Client.Registry.GetPacket(1) })
            Assert.Contains("belongs to the protocol", (await Assert.ThrowsAsync<PacketException>(() => client.SendAsync(key, null).AsTask())).Message);
        await Assert.ThrowsAsync<PacketException>(() => client.SendEncodedAsync(new byte[] { 0, 1, 0xc0 }).AsTask());
        Assert.Equal(ConnectionState.Active, client.State);
    }

    [Fact]
    public void An_object_under_several_names_stands_for_the_first_of_them()
    {
        Packet packet = Registries.Sink();
        _registry.AddPacket("a:one", packet, 20);
        _registry.AddPacket("a:two", packet, 17);
        Assert.Equal("a:one", _registry.GetName(packet));
        Assert.True(_registry.RemovePacket(packet));
        Assert.Equal("a:two", _registry.GetName(packet));
        Assert.True(_registry.RemovePacket(17));
        Assert.False(_registry.TryGetName(packet, out _));
    }

    [Fact]
    public void There_is_room_for_as_many_packets_as_a_peer_takes()
    {
        for (int i = 0; i < PacketRegistry.MaxPackets; i++)
            _registry.AddPacket($"a:{i}", Registries.Sink(), 16 + i);
        Assert.Contains("does not fit", Assert.Throws<ArgumentException>(() => _registry.AddPacket("a:more", Registries.Sink(), 60_000)).Message);
        Assert.True(_registry.RemovePacket("a:7"));
        _registry.AddPacket("a:more", Registries.Sink(), 60_000);
        Assert.True(_registry.Snapshot().Contract.IdMapFrameLength <= 99_999);
    }

    [Fact]
    public void The_id_map_of_the_longest_names_still_fits_into_a_legacy_frame()
    {
        int count = 0;
        while (Record.Exception(() => _registry.AddPacket($"{count:d6}:" + new string('x', 248), Registries.Sink(), 16 + count)) is null)
            count++;
        Assert.InRange(count, 370, 390);
        Assert.InRange(_registry.Snapshot().Contract.IdMapFrameLength, 99_400, 99_999);
    }

    [Fact]
    public void It_behaves_like_a_list_of_name_id_and_object()
    {
        Packet[] packets = [.. Enumerable.Range(0, 4).Select(_ => Registries.Sink())];
        var names = Gen.Int[0, 5].Select(i => $"a:{i}");
        var ids = Gen.Int[14, 21];
        var objects = Gen.Int[0, 3];
        var add = Gen.Select(names, ids, objects).Operation<PacketRegistry, List<(string Name, int Id, Packet Packet)>>(
            (registry, step) => Record.Exception(() => registry.AddPacket(step.Item1, packets[step.Item3], step.Item2)),
            (model, step) =>
            {
                if (step.Item2 >= 16 && !model.Exists(entry => entry.Name == step.Item1 || entry.Id == step.Item2))
                    model.Add((step.Item1, step.Item2, packets[step.Item3]));
            });
        var removeName = names.Operation<PacketRegistry, List<(string Name, int Id, Packet Packet)>>(
            (registry, name) => registry.RemovePacket(name), (model, name) => model.RemoveAll(entry => entry.Name == name));
        var removeId = ids.Operation<PacketRegistry, List<(string Name, int Id, Packet Packet)>>(
            (registry, id) => registry.RemovePacket(id), (model, id) => model.RemoveAll(entry => entry.Id == id));
        var removeObject = objects.Operation<PacketRegistry, List<(string Name, int Id, Packet Packet)>>(
            (registry, i) => registry.RemovePacket(packets[i]),
            (model, i) =>
            {
                if (model.FindIndex(entry => entry.Packet == packets[i]) is var first and >= 0)
                    model.RemoveAt(first);
            });

        Gen.Const(0).Select(_ => (new PacketRegistry(), new List<(string, int, Packet)>())).SampleModelBased(
            [add, removeName, removeId, removeObject],
            equal: (registry, model) =>
                registry.PacketNames.SequenceEqual(model.Select(entry => entry.Item1))
                && registry.Snapshot().Contract.Ids.SequenceEqual(model.Select(entry => entry.Item2))
                && Enumerable.Range(14, 8).All(id => registry.TryGetName(id, out string? name) == model.Exists(entry => entry.Item2 == id)
                    && (name is null || registry.GetId(name) == id))
                && packets.All(packet => registry.TryGetName(packet, out string? name)
                    ? model.Find(entry => entry.Item3 == packet).Item1 == name
                    : !model.Exists(entry => entry.Item3 == packet)),
            iter: 2_000, threads: 1, seed: "0000000000000");
    }

    [Fact]
    public void It_may_be_changed_and_read_by_many_threads()
    {
        Parallel.For(0, 8, thread =>
        {
            for (int i = 0; i < 300; i++)
            {
                string name = $"thread{thread}:{i}";
                _registry.AddPacket(name, Registries.Sink(), 100 + (thread * 1_000) + i);
                _ = _registry.Snapshot();
                Assert.Equal(name, _registry.GetName(100 + (thread * 1_000) + i));
                if (i % 2 == 0)
                    Assert.True(_registry.RemovePacket(name));
            }
        });
        Assert.Equal(8 * 150, _registry.PacketNames.Length);
    }

    [Fact]
    public async Task One_client_registry_serves_two_servers_with_different_ids_at_once_and_is_not_changed()
    {
        var replies = new Inbox();
        PacketRegistry shared = Registries.Client(("a:ask", Registries.Sink()), ("a:reply", replies.Packet));
        await using var first = new MemoryServer(Registries.Make(false, 50, ("a:ask", new EchoPacket("a:reply", TextWriter.Null)), ("a:reply", Registries.Sink())));
        await using var second = new MemoryServer(Registries.Make(false, 50, ("a:reply", Registries.Sink()), ("a:ask", new EchoPacket("a:reply", TextWriter.Null))));
        await using var client = new MemoryClient(shared);
        Connection toFirst = await client.ConnectAsync(first).Soon();
        Connection toSecond = await client.ConnectAsync(second).Soon();

        for (int i = 0; i < 20; i++)
        {
            Connection to = i % 2 == 0 ? toFirst : toSecond;
            await client.SendAsync("a:ask", i, to);
            (object? data, PacketContext context) = await replies.NextWithContextAsync();
            Assert.Equal(((long)i, to), (data, context.Connection));
        }

        Assert.Equal((50, 51), (toFirst.Routes.WireIdOf("a:ask"), toSecond.Routes.WireIdOf("a:ask")));
        Assert.Equal((1_000, 1_001), (shared.GetId("a:ask"), shared.GetId("a:reply")));
    }

    [Fact]
    public async Task Packets_that_are_added_or_removed_later_count_for_later_connections()
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(("a:one", inbox.Packet)), Registries.Client(("a:one", Registries.Sink())));
        (Connection early, _) = await pair.ConnectAsync();
        pair.Server.Registry.AddPacket("a:two", inbox.Packet, 99);
        pair.Client.Registry.AddPacket("a:two", Registries.Sink(), 99);
        pair.Server.Registry.RemovePacket("a:one");
        pair.Client.Registry.RemovePacket("a:one");
        (Connection late, _) = await pair.ConnectAsync();

        Assert.True(early.CanSend("a:one") && late.CanSend("a:two"));
        Assert.False(early.CanSend("a:two") || late.CanSend("a:one"));
        await early.SendAsync("a:one", 1);
        Assert.Equal(1L, await inbox.NextAsync());
        await late.SendAsync("a:two", 2);
        Assert.Equal(2L, await inbox.NextAsync());
        Assert.Contains("a:two", (await Assert.ThrowsAsync<PacketException>(() => early.SendAsync("a:two", 1).AsTask())).Message);
        Assert.Contains("not registered", (await Assert.ThrowsAsync<PacketException>(() => late.SendAsync("a:one", 1).AsTask())).Message);
    }
}
