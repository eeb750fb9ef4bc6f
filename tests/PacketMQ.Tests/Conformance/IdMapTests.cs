using System.Collections.Concurrent;
using System.Globalization;
using System.Net;

namespace PacketMQ.Tests.Conformance;

/// <summary>The id map as real servers send it, and what a client does with two that differ (protocol, "Handshake").</summary>
public sealed class IdMapTests
{
    [Fact]
    public async Task Fifty_names_are_sent_in_registration_order_behind_the_defaults_as_bin()
    {
        // Neither sorted nor in the order of the ids, which have one, two and three bytes.
        (string Name, int Id)[] packets =
            [.. Enumerable.Range(0, 50).Select(i => ($"shop:packet{(i * 37) % 50}", 16 + ((i * 29) % 50 * (i % 3 == 0 ? 1 : 1_000))))];
        Assert.Equal(50, packets.DistinctBy(packet => packet.Id).Count());
        Assert.Equal(WireBytes.IdMap(adapt: false, packets), await ReceiveIdMapAsync(packets));
    }

    [Fact]
    public async Task The_frame_of_a_small_map_is_exactly_this()
        => Assert.Equal(
            "00000086" + "0002" + "82" + "c405" + "6164617074" + "c2" + "c405" + "69646d6170" + "85"
                + "c417" + "7061636b65746d713a68616e647368616b655f696e6974" + "00"
                + "c411" + "7061636b65746d713a736f667471756974" + "01"
                + "c419" + "7061636b65746d713a68616e647368616b655f707562696473" + "02"
                + "c419" + "7061636b65746d713a68616e647368616b655f66696e697368" + "03"
                + "c408" + "6170703a70696e67" + "cd012c",
            Convert.ToHexStringLower(await ReceiveIdMapAsync(("app:ping", 300))));

    [Fact]
    public async Task Any_fifty_names_are_listed_in_registration_order()
    {
        for (int seed = 0; seed < 20; seed++)
        {
            var random = new Random(seed);
            (string Name, int Id)[] packets = [.. RandomNames(random).Zip(RandomIds(random))];
            byte[] idMap = await ReceiveIdMapAsync(packets);
            Assert.Equal([.. WireBytes.Defaults, .. packets], WireBytes.ReadIdMap(idMap).Entries);
        }
    }

    [Fact]
    public async Task One_client_registry_serves_two_servers_with_different_ids_at_once()
    {
        var registry = new PacketRegistry(adaptPacketIds: true);
        var arrived = new ConcurrentQueue<(int Port, string Packet, int WireId, object? Data)>();
        var arrivals = new SemaphoreSlim(0);
        foreach ((string name, int id) in new[] { ("app:first", 40), ("app:second", 41) })
            registry.AddPacket(name, Packet.Create(Arrive), id);
        await using var client = new PeerUnderTest(Side.Client, registry);
        await using Encounter one = await ActivateAsync(client, ("app:first", 17), ("app:second", 18));
        await using Encounter other = await ActivateAsync(client, ("app:second", 17), ("app:first", 300));

        // Both at once: the same names under the ids of each server, out and in.
        foreach ((Encounter encounter, int firstId, int secondId) in new[] { (one, 17, 18), (other, 300, 17) })
        {
            Connection connection = await encounter.MadeAsync();
            await connection.SendAsync("app:first", 1, TestContext.Current.CancellationToken);
            await connection.SendAsync("app:second", 2, TestContext.Current.CancellationToken);
            Assert.Equal(WireBytes.Frame(firstId, 1), await encounter.Raw.ReadFrameAsync());
            Assert.Equal(WireBytes.Frame(secondId, 2), await encounter.Raw.ReadFrameAsync());
            await encounter.Raw.SendAsync((byte[])[.. WireBytes.Frame(firstId, 11), .. WireBytes.Frame(secondId, 22)]);
        }

        for (int i = 0; i < 4; i++)
            Assert.True(await arrivals.WaitAsync(RawPeer.Patience, TestContext.Current.CancellationToken));
        int onePort = ((IPEndPoint)one.Raw.LocalEndPoint).Port;
        int otherPort = ((IPEndPoint)other.Raw.LocalEndPoint).Port;
        Assert.Equal([("app:first", 17, 11L), ("app:second", 18, 22L)], From(onePort));
        Assert.Equal([("app:first", 300, 11L), ("app:second", 17, 22L)], From(otherPort));
        Assert.Equal((40, 41), (registry.GetId("app:first"), registry.GetId("app:second")));

        void Arrive(object? data, PacketContext context)
        {
            arrived.Enqueue((((IPEndPoint)context.Connection.RemoteEndPoint!).Port, context.PacketName, context.WireId, data));
            arrivals.Release();
        }

        IEnumerable<(string, int, object?)> From(int port)
            => arrived.Where(packet => packet.Port == port).Select(packet => (packet.Packet, packet.WireId, packet.Data));
    }

    private static async Task<Encounter> ActivateAsync(PeerUnderTest client, params (string Name, int Id)[] packets)
    {
        Encounter encounter = await client.OpenAsync();
        await encounter.Raw.SendAsync((byte[])[.. WireBytes.Init, .. WireBytes.IdMap(adapt: false, packets), .. WireBytes.Finish]);
        Assert.Equal(WireBytes.Init, await encounter.Raw.ReadFrameAsync());
        Assert.Equal(WireBytes.IdMap(adapt: true, ("app:first", 40), ("app:second", 41)), await encounter.Raw.ReadFrameAsync());
        Assert.Equal(WireBytes.Finish, await encounter.Raw.ReadFrameAsync());
        await encounter.MadeAsync();
        return encounter;
    }

    /// <summary>The id map that a real server with these packets sends over TCP.</summary>
    private static async Task<byte[]> ReceiveIdMapAsync(params (string Name, int Id)[] packets)
    {
        var registry = new PacketRegistry();
        foreach ((string name, int id) in packets)
            registry.AddPacket(name, Packet.Create((_, _) => { }), id);
        await using var server = new PeerUnderTest(Side.Server, registry);
        await using Encounter encounter = await server.OpenAsync();
        await encounter.Raw.SendAsync(WireBytes.Init);
        Assert.Equal(WireBytes.Init, await encounter.Raw.ReadFrameAsync());
        return await encounter.Raw.ReadFrameAsync() ?? [];
    }

    private static string[] RandomNames(Random random)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (names.Count < 50)
        {
            char[] name = [.. Enumerable.Range(0, random.Next(1, 30)).Select(_ => (char)random.Next('!', '~' + 1))];
            names.Add(string.Create(CultureInfo.InvariantCulture, $"app:{new string(name)}"));
        }

        return [.. names];
    }

    private static int[] RandomIds(Random random)
    {
        var ids = new HashSet<int>();
        while (ids.Count < 50)
            ids.Add(random.Next(PacketRegistry.MinPacketId, PacketRegistry.MaxPacketId + 1));
        return [.. ids];
    }
}
