using System.Buffers;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>What a packet's guard lets in and out.</summary>
public sealed class PacketGuardTests
{
    private const string Free = "test:free";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_packet_that_comes_the_wrong_way_ends_the_connection(bool fromClient)
    {
        var inbox = new Inbox();
        var guard = new PacketGuard { Flow = fromClient ? PacketFlow.ServerToClient : PacketFlow.ClientToServer };
        await using PeerPair pair = Pair(Transport.TcpIPv4, inbox, fromClient ? guard : null, fromClient ? null : guard);
        (Connection client, Connection server) = await pair.ConnectAsync();
        (Connection sender, Connection receiver) = fromClient ? (client, server) : (server, client);

        await sender.SendAsync(Registries.Name, 1);
        CloseInfo here = await receiver.Closed.Soon();
        Assert.Equal((CloseReason.NotPermitted, CloseInitiator.Local), (here.Reason, here.Initiator));
        Assert.Contains(
            fromClient ? "may only be sent from server to client" : "may only be sent from client to server", here.Description, StringComparison.Ordinal);
        Assert.Equal(CloseReason.NotPermitted, (await sender.Closed.Soon()).Reason);
        Assert.Equal((1L, 1L), (receiver.GuardViolations, receiver.Peer.GuardViolations));
        Assert.Equal(0, sender.GuardViolations);
        Assert.True(inbox.IsEmpty);
    }

    [Theory]
    [InlineData(PacketFlow.BothWays)]
    [InlineData(PacketFlow.ClientToServer)]
    public async Task The_right_way_is_free(PacketFlow flow)
    {
        var inbox = new Inbox();
        var guard = new PacketGuard { Flow = flow };
        await using PeerPair pair = Pair(Transport.TcpIPv4, inbox, guard, guard);
        (Connection client, Connection server) = await pair.ConnectAsync();
        for (int i = 0; i < 3; i++)
        {
            await client.SendAsync(Registries.Name, "x");
            Assert.Equal("x", await inbox.NextAsync());
        }

        Assert.Equal((true, flow == PacketFlow.BothWays), (client.CanSend(Registries.Name), server.CanSend(Registries.Name)));
    }

    [Fact]
    public async Task What_is_left_out_is_counted_and_logged_once_a_second_and_the_rest_arrives()
    {
        var inbox = new Inbox();
        var logs = new FakeLogCollector();
        await using PeerPair pair = Pair(
            Transport.TcpIPv4, inbox, new PacketGuard { Flow = PacketFlow.ServerToClient, Violation = RefusalAction.Skip },
            options: new PeerOptions { LoggerFactory = new Journal(logs), TimeProvider = new WatchedTime() });
        (Connection client, Connection server) = await pair.ConnectAsync();
        for (int i = 0; i < 10; i++)
            await client.SendAsync(Registries.Name, i);
        await client.SendAsync(Free, "arrives");
        await client.SendAsync(Registries.Name, 10);
        await client.SendAsync(Free, "arrives too");

        Assert.Equal("arrives", await inbox.NextAsync());
        Assert.Equal("arrives too", await inbox.NextAsync());
        Assert.Equal((11L, 11L), (server.GuardViolations, pair.Server.GuardViolations));
        Assert.Equal(ConnectionState.Active, server.State);
        FakeLogRecord record = Assert.Single(logs.GetSnapshot(), record => record.Id.Id == 201);
        Assert.Contains("test:packet", record.Message, StringComparison.Ordinal);
    }

    [Theory, AllTransports]
    public async Task A_packet_that_needs_TLS_travels_with_TLS_only(Transport transport)
    {
        var inbox = new Inbox();
        await using PeerPair pair = Pair(transport, inbox, new PacketGuard { RequireTls = true });
        (Connection client, Connection server) = await pair.ConnectAsync();
        Assert.Equal(transport == Transport.Tls, server.CanSend(Registries.Name));

        await client.SendAsync(Registries.Name, "secret");
        if (transport == Transport.Tls)
        {
            Assert.Equal("secret", await inbox.NextAsync());
            await server.SendAsync(Registries.Name, "secret");
            return;
        }

        CloseInfo here = await server.Closed.Soon();
        Assert.Equal(CloseReason.NotPermitted, here.Reason);
        Assert.Contains("needs TLS", here.Description, StringComparison.Ordinal);
        Assert.True(inbox.IsEmpty);
    }

    [Fact]
    public async Task What_may_not_be_sent_is_thrown_at_the_caller_however_he_sends_it()
    {
        var typed = new Packet<int>();
        var binary = new BinaryPacket();
        var guard = new PacketGuard { Flow = PacketFlow.ClientToServer };
        PacketRegistry server = new();
        server.AddPacket("test:typed", typed, 20, guard);
        server.AddPacket("test:binary", binary, 21, new PacketGuard { RequireTls = true });
        server.AddPacket("test:echo", new EchoPacket("test:typed", TextWriter.Null), 22);
        var inbox = new Inbox();
        server.AddPacket(Free, inbox.Packet, 23);
        await using var pair = new PeerPair(Transport.TcpIPv4, server, Registries.Make(
            true, 1_000, ("test:typed", Registries.Sink()), ("test:binary", Registries.Sink()), ("test:echo", Registries.Sink()), (Free, inbox.Packet)));
        (Connection client, Connection connection) = await pair.ConnectAsync();

        for (int i = 0; i < 2; i++)
        {
            AssertForbidden(() => connection.SendAsync("test:typed", 1), "'test:typed' can't be sent: it may only be sent from client to server");
            AssertForbidden(() => connection.SendAsync(20, 1), "client to server");
            AssertForbidden(() => connection.SendAsync(typed, 1), "client to server");
            AssertForbidden(() => connection.SendAsync(binary, new byte[3]), "needs TLS");
            AssertForbidden(() => connection.SendAsync(binary, new ReadOnlySequence<byte>(new byte[3])), "needs TLS");
            AssertForbidden(() => connection.SendEncodedAsync(new byte[] { 0, 20, 1 }), "client to server");
            Assert.Throws<PacketException>(() => connection.GetWireId("test:typed"));
        }

        Assert.False(connection.CanSend(typed) || connection.CanSend("test:typed") || connection.CanSend(binary));
        await client.SendAsync("test:echo", 1); // whose answer may not be sent: its handler's failure, not the other side's
        await client.SendAsync(Free, "goes on");
        Assert.Equal("goes on", await inbox.NextAsync());
        await connection.SendAsync(Free, "goes on");
        Assert.Equal("goes on", await inbox.NextAsync());
        Assert.Equal(0, connection.GuardViolations);
    }

    [Fact]
    public async Task A_policy_is_asked_for_each_packet_that_arrives_and_never_for_one_that_is_sent()
    {
        var inbox = new Inbox();
        var asked = new List<string>();
        bool isOpen = true;
        await using PeerPair pair = Pair(Transport.TcpIPv4, inbox, new PacketGuard
        {
            Policy = context =>
            {
                asked.Add($"{context.PacketName} on {context.Connection.Id}");
                return Volatile.Read(ref isOpen);
            },
        });
        (Connection client, Connection server) = await pair.ConnectAsync();
        await client.SendAsync(Registries.Name, 1);
        await inbox.NextAsync();
        await client.SendAsync(Registries.Name, 2);
        await inbox.NextAsync();
        await server.SendAsync(Registries.Name, 3);
        Assert.Equal([$"test:packet on {server.Id}", $"test:packet on {server.Id}"], asked);

        Volatile.Write(ref isOpen, false);
        await client.SendAsync(Registries.Name, 4);
        CloseInfo here = await server.Closed.Soon();
        Assert.Equal(CloseReason.NotPermitted, here.Reason);
        Assert.Contains("is not permitted by its policy", here.Description, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(RefusalAction.Close)]
    [InlineData(RefusalAction.Skip)]
    public async Task A_policy_that_throws_says_no(RefusalAction violation)
    {
        var inbox = new Inbox();
        var logs = new FakeLogCollector();
        await using PeerPair pair = Pair(
            Transport.Memory, inbox, new PacketGuard { Policy = _ => throw new InvalidOperationException("No list."), Violation = violation },
            options: new PeerOptions { LoggerFactory = new Journal(logs), TimeProvider = new WatchedTime() });
        (Connection client, Connection server) = await pair.ConnectAsync();
        await client.SendAsync(Registries.Name, 1);
        if (violation == RefusalAction.Close)
        {
            Assert.Equal(CloseReason.NotPermitted, (await server.Closed.Soon()).Reason);
        }
        else
        {
            await client.SendAsync(Registries.Name, 2);
            await client.SendAsync(Free, "arrives");
            Assert.Equal("arrives", await inbox.NextAsync());
        }

        Assert.True(inbox.IsEmpty);
        Assert.Single(logs.GetSnapshot(), record => record.Id.Id == 203);
    }

    [Fact]
    public async Task What_is_handed_in_by_the_own_side_is_guarded_too()
    {
        var inbox = new Inbox();
        await using PeerPair pair = Pair(Transport.Memory, inbox, new PacketGuard { Flow = PacketFlow.ServerToClient });
        (_, Connection server) = await pair.ConnectAsync();
        await Assert.ThrowsAsync<PacketException>(() => pair.Server.ReceivePacketAsync(Registries.Name, 1, server).AsTask());
        await Assert.ThrowsAsync<PacketException>(async () => await pair.Server.ReceiveEncodedAsync(new byte[] { 0, 17, 1 }, server));
        Assert.True(inbox.IsEmpty);

        // Whether it may be sent is not the question when one comes in.
        await using PeerPair other = Pair(Transport.Memory, inbox, new PacketGuard { Flow = PacketFlow.ClientToServer });
        (_, server) = await other.ConnectAsync();
        await other.Server.ReceivePacketAsync(Registries.Name, "comes in", server);
        Assert.Equal("comes in", await inbox.NextAsync());
    }

    [Fact]
    public void A_guard_that_is_none_of_the_declared_ones_is_refused()
    {
        var registry = new PacketRegistry();
        Assert.Throws<ArgumentOutOfRangeException>(() => registry.AddPacket("a:b", Registries.Sink(), 17, new PacketGuard { Flow = (PacketFlow)3 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => registry.AddPacket("a:b", Registries.Sink(), 17, new PacketGuard { Violation = (RefusalAction)2 }));
        Assert.Empty(registry.PacketNames);
    }

    private static void AssertForbidden(Func<ValueTask> send, string words)
        => Assert.Contains(words, Assert.Throws<PacketException>(() => { _ = send(); }).Message, StringComparison.Ordinal);

    // The other side's ids are not ours, so that guards are looked at under adapted ids, too.
    private static PeerPair Pair(Transport transport, Inbox inbox, PacketGuard? server, PacketGuard? client = null, PeerOptions? options = null)
    {
        PacketRegistry here = new();
        here.AddPacket(Registries.Name, inbox.Packet, 17, server);
        here.AddPacket(Free, inbox.Packet, 18);
        PacketRegistry there = new(adaptPacketIds: true);
        there.AddPacket(Registries.Name, inbox.Packet, 1_000, client);
        there.AddPacket(Free, inbox.Packet, 1_001);
        return new PeerPair(transport, here, there, options);
    }
}
