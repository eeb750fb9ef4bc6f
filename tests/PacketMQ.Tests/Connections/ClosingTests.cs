using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Ends that both sides take part in: one reason, known to both, and nothing left behind.</summary>
public sealed class ClosingTests
{
    private static readonly CloseReason Kicked = "reason.kicked";

    [Theory, AllTransports]
    public async Task A_softquit_of_either_side_is_known_to_both(Transport transport)
    {
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        for (int round = 0; round < 2; round++)
        {
            (Connection client, Connection server) = await pair.ConnectAsync();
            (Connection quitting, Connection other) = round == 0 ? (client, server) : (server, client);

            await quitting.SoftQuitAsync(Kicked).Soon();
            CloseInfo here = await quitting.Closed.Soon();
            CloseInfo there = await other.Closed.Soon();

            Assert.Equal((Kicked, CloseInitiator.Local), (here.Reason, here.Initiator));
            Assert.Equal((Kicked, CloseInitiator.Remote), (there.Reason, there.Initiator));
            pair.AssertNoConnectionIsLeft(client, server);
            Assert.Equal([(server, await server.Closed)], pair.ServerLost.Select(lost => (lost.Connection, lost.CloseInfo)));
            Assert.Equal([(client, await client.Closed)], pair.ClientLost.Select(lost => (lost.Connection, lost.CloseInfo)));
            pair.ServerLost.Clear();
            pair.ClientLost.Clear();
        }

        Assert.Equal((0, 0), (pair.ServerRefused.Reader.Count, pair.ClientRefused.Reader.Count));
    }

    [Theory, AllTransports]
    public async Task When_both_sides_quit_at_once_each_has_one_reason(Transport transport)
    {
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        for (int round = 0; round < 20; round++)
        {
            (Connection client, Connection server) = await pair.ConnectAsync();
            await Task.WhenAll(
                Task.Run(() => client.SoftQuitAsync("reason.client")), Task.Run(() => server.SoftQuitAsync("reason.server"))).Soon();

            CloseInfo[] ends = [await client.Closed.Soon(), await server.Closed.Soon()];
            Assert.Equal(ends[0].Initiator == CloseInitiator.Local ? "reason.client" : "reason.server", ends[0].Reason.Name);
            Assert.Equal(ends[1].Initiator == CloseInitiator.Local ? "reason.server" : "reason.client", ends[1].Reason.Name);
            Assert.All(ends, end => Assert.NotEqual(CloseInitiator.Transport, end.Initiator));
            pair.AssertNoConnectionIsLeft(client, server);
        }

        Assert.Equal((20, 20), (pair.ServerLost.Count, pair.ClientLost.Count));
    }

    [Theory, AllTransports]
    public async Task The_first_reason_stands(Transport transport)
    {
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();

        Task first = client.SoftQuitAsync(Kicked);
        Task second = client.SoftQuitAsync("reason.later");
        await Task.WhenAll(first, second, client.SoftQuitAsync()).Soon();

        Assert.Equal(Kicked, (await client.Closed).Reason);
        Assert.Equal(Kicked, (await server.Closed.Soon()).Reason);
        await client.SoftQuitAsync().Soon();
        client.Abort();
        Assert.Equal(Kicked, (await client.Closed).Reason);
    }

    [Theory, AllTransports]
    public async Task All_that_was_sent_before_a_softquit_arrives_and_so_does_a_last_packet_from_connection_lost(Transport transport)
    {
        const int count = 1_000;
        var inbox = new Inbox();
        await using var pair = new PeerPair(transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()));
        pair.Client.ConnectionLost += (_, lost) => _ = lost.Connection.SendAsync(Registries.Name, "last");
        (Connection client, Connection server) = await pair.ConnectAsync();

        for (int i = 0; i < count; i++)
            await client.SendAsync(Registries.Name, i);
        await client.SoftQuitAsync(Kicked).Soon();
        await server.Closed.Soon();

        for (int i = 0; i < count; i++)
            Assert.Equal((long)i, await inbox.NextAsync());
        Assert.Equal("last", await inbox.NextAsync());
        Assert.True(inbox.IsEmpty);
    }

    [Theory, AllTransports]
    public async Task After_the_end_sending_fails_with_the_reason(Transport transport)
    {
        var typed = new Packet<int>();
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(typed));
        (Connection client, Connection server) = await pair.ConnectAsync();
        await server.SoftQuitAsync(Kicked).Soon();
        await client.Closed.Soon();

        foreach (Func<ValueTask> send in new Func<ValueTask>[]
        {
            () => client.SendAsync(Registries.Name, 1), () => client.SendAsync(typed, 1), () => client.SendEncodedAsync(new byte[] { 0, 17, 1 }),
        })
        {
            var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => send().AsTask());
            Assert.Same(await client.Closed, closed.CloseInfo);
        }

        await Assert.ThrowsAsync<KeyNotFoundException>(() => pair.Client.SendAsync(typed, 1, client.Id).AsTask());
    }

    [Theory, AllTransports]
    public async Task An_abort_cuts_the_connection_on_both_sides(Transport transport)
    {
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();

        client.Abort();
        CloseInfo here = await client.Closed.Soon();
        CloseInfo there = await server.Closed.Soon();

        Assert.Equal((CloseReason.Aborted, CloseInitiator.Local), (here.Reason, here.Initiator));
        // A Unix socket has no reset.
        Assert.Equal(
            transport == Transport.Unix ? (CloseReason.Disconnected, CloseInitiator.Remote) : (CloseReason.ConnectionReset, CloseInitiator.Transport),
            (there.Reason, there.Initiator));
        Assert.True(client.Closing.IsCancellationRequested);
        Assert.True(server.Closing.IsCancellationRequested);
        Assert.Equal((1, 1), (pair.ServerLost.Count, pair.ClientLost.Count));
        pair.AssertNoConnectionIsLeft(client, server);
    }

    [Theory, AllTransports]
    public async Task Stopping_either_peer_ends_all_of_its_connections_for_both_sides(Transport transport)
    {
        for (int round = 0; round < 2; round++)
        {
            await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
            var ends = new List<Connection>();
            for (int i = 0; i < 5; i++)
            {
                (Connection client, Connection server) = await pair.ConnectAsync();
                ends.AddRange(client, server);
            }

            Peer stopping = round == 0 ? pair.Client : pair.Server;
            await stopping.StopAsync().Soon();
            Assert.Empty(stopping.Connections);
            foreach (Connection end in ends)
            {
                CloseInfo info = await end.Closed.Soon();
                Assert.Equal((CloseReason.Shutdown, end.Peer == stopping ? CloseInitiator.Local : CloseInitiator.Remote), (info.Reason, info.Initiator));
            }

            pair.AssertNoConnectionIsLeft([.. ends]);
            Assert.Equal((5, 5), (pair.ServerLost.Count, pair.ClientLost.Count));
        }
    }

    [Theory, AllTransports]
    public async Task A_stop_whose_token_is_cancelled_cuts_what_has_not_ended(Transport transport)
    {
        var time = new WatchedTime();
        await using var pair = new PeerPair(
            transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = time });
        await using RawEnd silent = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        Task waitsForTheOtherEnd = time.NextTimerAsync(pair.Server.Options.CloseTimeout);

        using var cancellation = new CancellationTokenSource();
        Task stopping = pair.Server.StopAsync(cancellation.Token);
        await waitsForTheOtherEnd;
        Assert.False(stopping.IsCompleted);
        await cancellation.CancelAsync();
        await stopping.Soon();

        Assert.Equal(CloseReason.Shutdown, (await connection.Closed.Soon()).Reason);
        pair.AssertNoConnectionIsLeft(connection);
    }

    [Theory, AllTransports]
    public async Task The_token_of_a_softquit_ends_the_waiting_and_not_the_closing(Transport transport)
    {
        var time = new WatchedTime();
        await using var pair = new PeerPair(
            transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        using var cancellation = new CancellationTokenSource();
        Task quitting = connection.SoftQuitAsync(Kicked, cancellation.Token);
        Assert.Equal(Kicked, await raw.ReadSoftQuitAsync());
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => quitting.Soon());
        Assert.False(connection.Closed.IsCompleted);

        await raw.EndAsync();
        Assert.Equal(Kicked, (await connection.Closed.Soon()).Reason);
    }
}
