using System.Buffers;
using PacketMQ.Dispatch;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class PacketLogTests
{
    private static readonly PacketRoute Route = new("a:b", new PrintPacket(TextWriter.Null), Id: 16, WireId: 20);

    [Theory]
    [InlineData(0, 1)]
    [InlineData(-1, 1)]
    [InlineData(1_000_001, 1)]
    [InlineData(1, 0)]
    [InlineData(1, -1)]
    [InlineData(1, 1_048_577)]
    public void Its_bounds_are_checked(int capacity, int maxPayloadBytes)
        => Assert.Throws<ArgumentOutOfRangeException>(() => new PacketLog(capacity, maxPayloadBytes));

    [Fact]
    public void The_oldest_packet_makes_room_for_the_newest()
    {
        var log = new PacketLog(capacity: 3, maxPayloadBytes: 2);
        for (byte i = 0; i < 8; i++)
        {
            Add(log, i);
            Assert.Equal(Enumerable.Range(Math.Max(0, i - 2), Math.Min(i + 1, 3)), log.Entries.Select(entry => (int)entry.ConnectionId));
        }

        Assert.All(log.Entries, entry => Assert.Equal((4L, 2), (entry.PayloadLength, entry.Payload.Length)));
        log.Clear();
        Assert.Empty(log.Entries);
        Add(log, 9);
        PacketLogEntry entry = Assert.Single(log.Entries);
        Assert.Equal((9, "a:b", 20), (entry.ConnectionId, entry.PacketName, entry.WireId));
    }

    [Fact]
    public async Task It_keeps_what_was_sent_and_received_and_not_what_was_refused()
    {
        var time = new WatchedTime();
        var (serverLog, clientLog) = (new PacketLog(), new PacketLog(maxPayloadBytes: 3));
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()), new PeerOptions { PacketLog = serverLog, TimeProvider = time },
            new PeerOptions { PacketLog = clientLog, TimeProvider = time });
        Assert.Same(clientLog, pair.Client.PacketLog);
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, "hello");
        await inbox.NextAsync();
        await Assert.ThrowsAsync<PacketException>(() => client.SendAsync(Registries.Name, new object()).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.SendAsync(Registries.Name, 1, new CancellationToken(true)).AsTask());
        await client.SoftQuitAsync().Soon();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => client.SendAsync(Registries.Name, 1).AsTask());

        PacketLogEntry sent = Assert.Single(clientLog.Entries);
        Assert.Equal(
            (time.GetUtcNow(), PacketDirection.Sent, client.Id, Registries.Name, 6L), (sent.Time, sent.Direction, sent.ConnectionId, sent.PacketName, sent.PayloadLength));
        Assert.Equal([0xa5, (byte)'h', (byte)'e'], sent.Payload.ToArray());
        PacketLogEntry received = Assert.Single(serverLog.Entries);
        Assert.Equal((PacketDirection.Received, server.Id, Registries.Name), (received.Direction, received.ConnectionId, received.PacketName));
        Assert.Equal([0xa5, .. "hello"u8], received.Payload.ToArray());
    }

    private static void Add(PacketLog log, byte id)
        => log.Add(DateTimeOffset.UnixEpoch, PacketDirection.Received, id, Route, new ReadOnlySequence<byte>([id, 1, 2, 3]));
}
