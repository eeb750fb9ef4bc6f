using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>What two peers make of each other's registries.</summary>
public sealed class HandshakeTests
{
    private readonly FakeLogCollector _serverLogs = new();
    private readonly FakeLogCollector _clientLogs = new();

    [Theory, AllTransports]
    public async Task Unequal_packets_are_refused_and_named_on_both_sides(Transport transport)
    {
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:both", Registries.Sink()), ("a:server", Registries.Sink())),
            Registries.Client(("a:both", Registries.Sink()), ("a:client", Registries.Sink())), Logging(_serverLogs), Logging(_clientLogs));

        var refused = await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon());
        CloseInfo here = refused.CloseInfo;
        Assert.Equal((CloseReason.NonEqualPackets, CloseInitiator.Local), (here.Reason, here.Initiator));
        Assert.Equal(["a:server"], here.MissingHere);
        Assert.Equal(["a:client"], here.MissingThere);
        Assert.Contains("a:server", refused.Message);
        Assert.Contains("a:client", refused.Message);

        ConnectionLostEventArgs there = await pair.ServerRefused.Reader.ReadAsync().Soon();
        Assert.Equal((CloseReason.NonEqualPackets, CloseInitiator.Remote), (there.CloseInfo.Reason, there.CloseInfo.Initiator));
        Assert.Equal(["a:client"], there.CloseInfo.MissingHere);
        Assert.Equal(["a:server"], there.CloseInfo.MissingThere);
        Assert.Equal(here, (await pair.ClientRefused.Reader.ReadAsync().Soon()).CloseInfo);
        await there.Connection.Closed.Soon();

        foreach (FakeLogCollector logs in new[] { _serverLogs, _clientLogs })
        {
            FakeLogRecord record = Assert.Single(logs.GetSnapshot(), record => record.Level >= LogLevel.Warning);
            Assert.Equal(103, record.Id.Id);
            Assert.Contains("a:server", record.Message);
            Assert.Contains("a:client", record.Message);
            Assert.Contains("reason.nonequalpackets", record.Message);
        }

        Assert.Equal((0, 0), (pair.ServerLost.Count, pair.ClientLost.Count));
        pair.AssertNoConnectionIsLeft(there.Connection);
    }

    [Theory, AllTransports]
    public async Task Two_sides_that_both_adapt_or_both_do_not_can_not_agree(Transport transport)
    {
        foreach (bool adapts in new[] { true, false })
        {
            await using var pair = new PeerPair(
                transport, Registries.Make(adapts, 17, ("a:one", Registries.Sink())), Registries.Make(adapts, 17, ("a:one", Registries.Sink())));
            var refused = await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon());
            Assert.Equal(CloseReason.SameAdaptivePolicy, refused.CloseInfo.Reason);
            ConnectionLostEventArgs there = await pair.ServerRefused.Reader.ReadAsync().Soon();
            Assert.Equal(CloseReason.SameAdaptivePolicy, there.CloseInfo.Reason);
            await there.Connection.Closed.Soon();
            pair.AssertNoConnectionIsLeft(there.Connection);
        }
    }

    [Fact]
    public async Task The_side_that_keeps_its_ids_may_be_the_client()
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(Transport.TcpIPv4, Registries.Client(inbox.Packet), Registries.Server(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();
        await client.SendAsync(Registries.Name, 1);
        Assert.Equal(1L, await inbox.NextAsync());
        Assert.Equal(17, server.Routes.WireIdOf(Registries.Name));
    }

    [Fact]
    public async Task With_mismatch_allowed_the_common_names_work_and_the_others_are_refused_at_the_caller()
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:server", Registries.Sink()), ("a:both", inbox.Packet)),
            Registries.Client(("a:client", Registries.Sink()), ("a:both", Registries.Sink())), null, new PeerOptions { PacketMismatch = PacketMismatch.Allow });
        (Connection client, Connection server) = await pair.ConnectAsync();

        Assert.Equal(["a:server", "a:both"], client.PeerPacketNames);
        Assert.Equal(["a:client", "a:both"], server.PeerPacketNames);
        Assert.Equal((true, false, false), (client.CanSend("a:both"), client.CanSend("a:client"), client.CanSend("a:server")));
        await client.SendAsync("a:both", 1);
        Assert.Equal(1L, await inbox.NextAsync());
        Assert.Contains(
            "does not have the packet 'a:client'", (await Assert.ThrowsAsync<PacketException>(() => client.SendAsync("a:client", 1).AsTask())).Message);
        Assert.Contains("not registered", (await Assert.ThrowsAsync<PacketException>(() => client.SendAsync("a:server", 1).AsTask())).Message);
    }

    [Fact]
    public async Task With_mismatch_allowed_a_packet_that_only_the_other_side_has_is_skipped()
    {
        var inbox = new Inbox();
        var log = new FakeLogCollector();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:new", Registries.Sink()), ("a:both", Registries.Sink())),
            Registries.Client(("a:both", inbox.Packet)), null, Logging(log) with { PacketMismatch = PacketMismatch.Allow });
        (Connection client, Connection server) = await pair.ConnectAsync();

        await server.SendAsync("a:new", 1);
        await server.SendAsync("a:both", 2);
        Assert.Equal(2L, await inbox.NextAsync());
        Assert.Equal(ConnectionState.Active, client.State);
        Assert.Contains(log.GetSnapshot(), record => record.Message.Contains("Only the other side registered the packet with the id 17.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_fallback_packet_stands_for_all_names_that_only_the_other_side_has()
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:one", new EchoPacket("a:two", TextWriter.Null)), ("a:two", Registries.Sink())), new PacketRegistry(adaptPacketIds: true),
            null, new PeerOptions { PacketMismatch = PacketMismatch.Allow, FallbackPacket = inbox.Packet });
        (Connection client, Connection server) = await pair.ConnectAsync();

        Assert.True(client.CanSend("a:one") && client.CanSend("a:two"));
        await client.SendAsync("a:one", "ping");
        (object? data, PacketContext context) = await inbox.NextWithContextAsync();
        Assert.Equal(("ping", "a:two", 18), (data, context.PacketName, context.WireId));
        await server.SendAsync("a:one", "pong");
        Assert.Equal("a:one", (await inbox.NextWithContextAsync()).Context.PacketName);
        Assert.Empty(pair.Client.Registry.PacketNames);
        Assert.False(client.CanSend(inbox.Packet)); // which of them would it be?
    }

    [Fact]
    public async Task Names_and_reasons_that_the_other_side_chose_are_escaped_in_logs()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), Logging(_serverLogs));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        await raw.WriteAsync(RawEnd.Frame(1, [0x81, 0xc4, 6, .. "reason"u8, 0xc4, 5, 0x1b, .. "[31m"u8]));
        await raw.EndAsync();
        await connection.Closed.Soon();
        Assert.All(_serverLogs.GetSnapshot(), record => Assert.DoesNotContain(record.Message, char.IsControl));
    }

    [Fact]
    public async Task No_payload_is_ever_logged()
    {
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(Packet.Create((data, _) => throw new InvalidOperationException())), Registries.Client(Registries.Sink()),
            Logging(_serverLogs), Logging(_clientLogs));
        (Connection client, Connection server) = await pair.ConnectAsync();
        await client.SendAsync(Registries.Name, "very secret");
        await client.SoftQuitAsync().Soon();
        await server.Closed.Soon();
        Assert.NotEmpty(_serverLogs.GetSnapshot());
        Assert.All([.. _serverLogs.GetSnapshot(), .. _clientLogs.GetSnapshot()], record => Assert.DoesNotContain("secret", record.Message));
    }

    private static PeerOptions Logging(FakeLogCollector logs)
        => new() { LoggerFactory = LoggerFactory.Create(builder => builder.SetMinimumLevel(LogLevel.Trace).AddProvider(new FakeLoggerProvider(logs))) };
}
