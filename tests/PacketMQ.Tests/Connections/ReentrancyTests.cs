using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>
/// Whatever an application awaits inside a handler or callback of a connection, it never waits for itself. No test here moves the
/// clock, so that a wait which only a time-out would end fails.
/// </summary>
public sealed class ReentrancyTests
{
    private static readonly Dictionary<string, Func<Connection, Task>> Actions = new()
    {
        ["send"] = connection => connection.SendAsync(Registries.Name, 1).AsTask(),
        ["softquit"] = connection => connection.SoftQuitAsync("reason.inside"),
        ["peer softquit"] = connection => connection.Peer.SoftQuitAsync(connection.Id, "reason.inside"),
        ["abort"] = connection =>
        {
            connection.Abort();
            return Task.CompletedTask;
        },
        ["stop"] = connection => connection.Peer.StopAsync(),
        ["dispose"] = connection => connection.Peer.DisposeAsync().AsTask(),
    };

    public static TheoryData<Transport, string> All
        => [.. AllTransportsAttribute.Available.SelectMany(transport => Actions.Keys.Select(action => (transport, action)))];

    [Theory, MemberData(nameof(All))]
    public async Task In_a_handler(Transport transport, string action)
    {
        var returned = new TaskCompletionSource();
        var packet = Packet.Create(async (_, context) =>
        {
            await Task.Yield();
            await Actions[action](context.Connection);
            returned.TrySetResult();
        });
        await using PeerPair pair = Pair(transport, packet);
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        await returned.Task.Soon();
        await AssertEndAsync(pair, action, client, server);
    }

    [Theory, MemberData(nameof(All))]
    public async Task In_connection_made(Transport transport, string action)
    {
        var returned = new TaskCompletionSource();
        await using PeerPair pair = Pair(transport, Registries.Sink());
        pair.ServerMadeHook = async connection =>
        {
            await Actions[action](connection);
            returned.TrySetResult();
        };
        Task<Connection> opening = pair.OpenAsync();
        Connection server = await pair.NextMadeAsync();

        await returned.Task.Soon();
        if (action == "abort")
        {
            await server.Closed.Soon();
            await Record.ExceptionAsync(() => opening.Soon());
            return;
        }

        await AssertEndAsync(pair, action, await opening.Soon(), server);
    }

    [Theory, MemberData(nameof(All))]
    public async Task In_connection_lost(Transport transport, string action)
    {
        var returned = new TaskCompletionSource();
        await using PeerPair pair = Pair(transport, Registries.Sink());
        pair.ServerLostHook = async (connection, _) =>
        {
            await Actions[action](connection);
            returned.TrySetResult();
        };
        (Connection client, Connection server) = await pair.ConnectAsync();

        await server.SoftQuitAsync("reason.first").Soon();
        await returned.Task.Soon();
        Assert.Equal("reason.first", (await server.Closed.Soon()).Reason.Name);
        await client.Closed.Soon();
        Assert.Single(pair.ServerLost);
        pair.AssertNoConnectionIsLeft(client, server);
    }

    [Fact]
    public async Task Two_handlers_may_stop_their_peer_at_once()
    {
        using var both = new Barrier(2);
        int returned = 0;
        var packet = Packet.Create(async (_, context) =>
        {
            await Task.Run(() => both.SignalAndWait(Bounded.Limit));
            await context.Peer.StopAsync();
            Interlocked.Increment(ref returned);
        });
        await using PeerPair pair = Pair(Transport.Memory, packet);
        (Connection first, _) = await pair.ConnectAsync();
        (Connection second, _) = await pair.ConnectAsync();

        await first.SendAsync(Registries.Name, 1);
        await second.SendAsync(Registries.Name, 2);
        await pair.Server.RunAsync().Soon();

        Assert.Equal(2, returned);
        Assert.Equal((CloseReason.Shutdown, CloseReason.Shutdown), ((await first.Closed.Soon()).Reason, (await second.Closed.Soon()).Reason));
    }

    [Fact]
    public async Task A_peer_that_is_stopped_in_a_handler_has_not_stopped_before_that_connection_has_ended()
    {
        await using PeerPair pair = Pair(Transport.TcpIPv4, Packet.Create((_, context) => new(context.Peer.StopAsync())));
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        await pair.Server.RunAsync().Soon();

        Assert.True(server.Closed.IsCompleted);
        Assert.Equal(CloseReason.Shutdown, (await client.Closed.Soon()).Reason);
    }

    [Fact]
    public async Task A_handler_may_wait_for_a_request_on_another_connection()
    {
        var answers = new Inbox();
        await using var backend = new MemoryServer(Registries.Server(("b:ask", Packet.Create((data, context) => context.ReplyAsync("b:answer", data))), ("b:answer", Registries.Sink())));
        await using var backendClient = new MemoryClient(Registries.Client(("b:ask", Registries.Sink()), ("b:answer", answers.Packet)));
        var packet = Packet.Create(async (data, context) =>
        {
            Connection inner = await backendClient.ConnectAsync(backend);
            await inner.SendAsync("b:ask", data);
            await context.ReplyAsync(Registries.Name, await answers.NextAsync());
            await inner.SoftQuitAsync();
        });
        var inbox = new Inbox();
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(packet), Registries.Client(inbox.Packet));
        (Connection client, _) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, "question");
        Assert.Equal("question", await inbox.NextAsync());
    }

    private static PeerPair Pair(Transport transport, Packet server)
        => new(
            transport, Registries.Server(server), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = new WatchedTime() },
            new PeerOptions { TimeProvider = new WatchedTime() });

    private static async Task AssertEndAsync(PeerPair pair, string action, Connection client, Connection server)
    {
        if (action == "send")
        {
            Assert.Equal(ConnectionState.Active, server.State);
            return;
        }

        CloseInfo here = await server.Closed.Soon();
        await client.Closed.Soon();
        Assert.Equal(
            action switch
            {
                "abort" => CloseReason.Aborted,
                "stop" or "dispose" => CloseReason.Shutdown,
                _ => "reason.inside",
            }, here.Reason);
        Assert.Single(pair.ServerLost);
        pair.AssertNoConnectionIsLeft(client, server);
    }
}
