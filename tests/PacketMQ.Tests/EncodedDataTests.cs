using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>Sending and receiving by hand: frame bodies and decoded data, with and without a connection named.</summary>
public sealed class EncodedDataTests
{
    [Theory, AllTransports]
    public async Task Encoded_data_is_sent_as_it_is(Transport transport)
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(transport, Registries.Server(inbox.Packet), Registries.Client(inbox.Packet));
        (Connection client, Connection server) = await pair.ConnectAsync();
        byte[] raw = [0, 17, 0xcd, 0, 5];

        await client.SendEncodedAsync(raw);
        await pair.Client.SendEncodedAsync(raw);
        await pair.Client.SendEncodedAsync(raw, client);
        await pair.Server.SendEncodedAsync(raw, server.Id);
        for (int i = 0; i < 4; i++)
            Assert.Equal(5L, await inbox.NextAsync());
    }

    [Fact]
    public async Task Encoded_data_that_is_no_packet_is_refused_and_nothing_is_sent()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();

        foreach (byte[] raw in new byte[][] { [], [0], [0, 17], [0, 17, 0xc1], [0, 17, 1, 1], [0, 17, 0x92, 1], [0, 1, 0xc0], [3, 0xe8, 1], [0, 99, 1] })
        {
            await Assert.ThrowsAsync<PacketException>(() => client.SendEncodedAsync(raw).AsTask());
            await Assert.ThrowsAsync<PacketException>(() => pair.Server.ReceiveEncodedAsync(raw, server).AsTask());
        }

        Assert.Equal((ConnectionState.Active, ConnectionState.Active), (client.State, server.State));
        await client.SoftQuitAsync().Soon();
        Assert.Equal(CloseReason.Unknown, (await server.Closed.Soon()).Reason);
    }

    [Fact]
    public async Task Received_data_may_be_given_by_hand()
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(inbox.Packet), Registries.Client(inbox.Packet));
        (Connection client, Connection server) = await pair.ConnectAsync();

        await pair.Client.ReceivePacketAsync(Registries.Name, "one");
        await pair.Client.ReceivePacketAsync(1_000, "two", client);
        await pair.Server.ReceivePacketAsync(inbox.Packet, "three", server.Id);
        await pair.Client.ReceiveEncodedAsync(new byte[] { 0, 17, 4 });
        await pair.Server.ReceiveEncodedAsync(new byte[] { 0, 17, 5 }, server);

        var arrivals = new List<(object?, Connection)>();
        for (int i = 0; i < 5; i++)
        {
            (object? data, PacketContext context) = await inbox.NextWithContextAsync();
            Assert.Equal((Registries.Name, 17), (context.PacketName, context.WireId));
            arrivals.Add((data, context.Connection));
        }

        Assert.Equal([("one", client), ("two", client), ("three", server), (4L, client), (5L, server)], arrivals);
        await Assert.ThrowsAsync<PacketException>(() => pair.Client.ReceivePacketAsync("no:such", 1).AsTask());
    }

    [Fact]
    public async Task What_a_handler_throws_on_data_given_by_hand_is_reported_like_any_other()
    {
        var failures = new List<string>();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:thrower", Packet.Create((_, _) => throw new InvalidOperationException())), ("a:number", new Packet<int>())),
            Registries.Client(("a:thrower", Registries.Sink()), ("a:number", Registries.Sink())));
        pair.Server.HandlerFailed += (_, failed) => failures.Add(failed.PacketName);
        (_, Connection server) = await pair.ConnectAsync();

        await pair.Server.ReceivePacketAsync("a:thrower", 1, server);
        await pair.Server.ReceiveEncodedAsync(new byte[] { 0, 17, 1 }, server);
        Assert.Equal(["a:thrower", "a:thrower"], failures);
        // Data that does not fit comes from the caller here, so the caller is told, and the connection goes on.
        await Assert.ThrowsAsync<PacketException>(() => pair.Server.ReceivePacketAsync("a:number", "text", server).AsTask());
        await Assert.ThrowsAsync<PacketException>(() => pair.Server.ReceiveEncodedAsync(new byte[] { 0, 18, 0xa1, 0x78 }, server).AsTask());
        Assert.Equal(ConnectionState.Active, server.State);
    }

    [Fact]
    public async Task Before_the_handshake_is_through_nothing_can_be_sent()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        Connection connection = pair.Server.GetConnection(1);
        Assert.Equal(ConnectionState.Handshaking, connection.State);
        Assert.Empty(connection.PeerPacketNames);
        Assert.False(connection.CanSend(Registries.Name));
        Assert.Empty(pair.Server.Connections);

        foreach (Func<ValueTask> use in new Func<ValueTask>[]
        {
            () => connection.SendAsync(Registries.Name, 1), () => connection.SendEncodedAsync(new byte[] { 0, 17, 1 }),
            () => pair.Server.ReceivePacketAsync(Registries.Name, 1, 1), () => pair.Server.ReceiveEncodedAsync(new byte[] { 0, 17, 1 }, 1),
        })
            Assert.Contains("handshake", (await Assert.ThrowsAsync<PacketException>(() => use().AsTask())).Message);

        raw.Abort();
        await connection.Closed.Soon();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => connection.SendAsync(Registries.Name, 1).AsTask());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => connection.SendEncodedAsync(new byte[] { 0, 17, 1 }).AsTask());
    }
}
