using System.IO.Pipelines;
using System.Security.Claims;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Connections;

/// <summary>Who is asked for in the handshake, and what happens until the answer is there.</summary>
public sealed class AuthenticationTests
{
    private static readonly byte[] Early =
        [.. PeerBytes.Handshake(true, (Registries.Name, 2_000)), .. PeerBytes.Frame(17, 42)];

    [Theory, AllTransports]
    public async Task Who_is_accepted_has_a_user_and_a_certificate_if_TLS_has_one(Transport transport)
    {
        var inbox = new Inbox();
        AuthenticationContext? seen = null;
        await using PeerPair pair = Pair(transport, inbox.Packet, (context, _) =>
        {
            seen = context;
            return new(AuthenticationResult.Accept(User("alice")));
        });
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, 1);
        (_, PacketContext packet) = await inbox.NextWithContextAsync();
        Assert.Equal("alice", packet.Connection.User?.Identity?.Name);
        Assert.Null(client.User);
        Assert.Equal((server, pair.Server, server.RemoteEndPoint), (seen!.Connection, seen.Peer, seen.RemoteEndPoint));
        Assert.Equal(transport == Transport.Tls ? "CN=a client" : null, seen.Certificate?.Subject);
        Assert.Equal(transport == Transport.Tls, seen.Tls is not null);
    }

    [Theory, AllTransports]
    public async Task Who_is_refused_is_told_so_and_no_more(Transport transport)
    {
        await using PeerPair pair = Pair(transport, Registries.Sink(), async (_, _) =>
        {
            await Task.Yield();
            return AuthenticationResult.Refuse("He is not on the list.\n");
        });
        CloseInfo client = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        CloseInfo server = await RefusedAsync(pair);

        Assert.Equal((CloseReason.AuthenticationFailed, CloseInitiator.Remote), (client.Reason, client.Initiator));
        Assert.Equal((CloseReason.AuthenticationFailed, CloseInitiator.Local), (server.Reason, server.Initiator));
        Assert.Equal("He is not on the list.\\x0a", server.Description);
        Assert.DoesNotContain("list", client.Description, StringComparison.Ordinal);
        Assert.Empty(pair.ServerLost);
    }

    [Theory]
    [InlineData("throws")]
    [InlineData("throws later")]
    [InlineData("is cancelled by itself")]
    [InlineData("answers null")]
    [InlineData("answers nothing")]
    public async Task Whatever_is_no_clear_yes_refuses(string hook)
    {
        var logs = new FakeLogCollector();
        await using PeerPair pair = Pair(
            Transport.Memory, Registries.Sink(),
            async (_, _) =>
            {
                if (hook == "throws later")
                    await Task.Yield();
                return hook switch
                {
                    "is cancelled by itself" => throw new OperationCanceledException(),
                    "answers null" => null!,
                    "answers nothing" => await default(ValueTask<AuthenticationResult>),
                    _ => throw new InvalidOperationException("The list is lost."),
                };
            },
            new PeerOptions { LoggerFactory = new Journal(logs), TimeProvider = new WatchedTime() }); // one line a second
        for (int i = 0; i < 3; i++)
        {
            await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon());
            CloseInfo server = await RefusedAsync(pair);
            Assert.Equal((CloseReason.AuthenticationFailed, CloseInitiator.Local), (server.Reason, server.Initiator));
            Assert.Equal(!hook.StartsWith("answers", StringComparison.Ordinal), server.Exception is not null);
        }

        Assert.Equal(hook.StartsWith("answers", StringComparison.Ordinal) ? 0 : 1, logs.GetSnapshot().Count(record => record.Id.Id == 113));
    }

    [Fact]
    public async Task A_hook_that_throws_at_once_refuses()
    {
        await using PeerPair pair = Pair(Transport.Memory, Registries.Sink(), (_, _) => throw new InvalidOperationException());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon());
        Assert.Equal(CloseReason.AuthenticationFailed, (await RefusedAsync(pair)).Reason);
    }

    [Theory, AllTransports]
    public async Task Until_the_answer_nothing_is_handled_sent_or_lost(Transport transport)
    {
        var inbox = new Inbox();
        var asked = new TaskCompletionSource<AuthenticationContext>(TaskCreationOptions.RunContinuationsAsynchronously);
        var answer = new TaskCompletionSource<AuthenticationResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new WatchedTime();
        await using PeerPair pair = Pair(
            transport, inbox.Packet,
            (context, _) =>
            {
                asked.TrySetResult(context);
                return new(answer.Task);
            },
            new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync(Early);
        Connection connection = (await asked.Task.Soon()).Connection;
        time.Beat(5); // from the second on it reads ahead

        Assert.Equal(ConnectionState.Handshaking, connection.State);
        Assert.Empty(pair.Server.Connections);
        Assert.False(connection.CanSend(Registries.Name));
        await Assert.ThrowsAsync<PacketException>(() => connection.SendAsync(Registries.Name, 1).AsTask());
        Assert.True(inbox.IsEmpty);
        Assert.Empty(connection.PeerPacketNames);

        answer.SetResult(AuthenticationResult.Accept());
        Assert.Same(connection, await pair.NextMadeAsync());
        Assert.Equal(42, Convert.ToInt32(await inbox.NextAsync(), System.Globalization.CultureInfo.InvariantCulture));
        int[] ids = await ReadIdsAsync(raw, 3);
        Assert.Equal([WireProtocol.InitId, WireProtocol.IdMapId, WireProtocol.FinishId], ids);
    }

    [Theory]
    [InlineData(50_000, 500_000)]
    [InlineData(500_000, 50_000)]
    public async Task Until_the_answer_no_more_is_read_ahead_than_the_rest_of_a_handshake_may_take(int maxIdMap, int maxReadAhead)
    {
        const int most = 50_000;
        const int packets = 10;
        int handled = 0;
        var answer = new TaskCompletionSource<AuthenticationResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new WatchedTime();
        var server = new MemoryServer(Registries.Server(Packet.Create((_, _) => Interlocked.Increment(ref handled))), new PeerOptions
        {
            TimeProvider = time,
            HandshakeTimeout = TimeSpan.FromDays(20),
            MaxIdMapFrameBytes = maxIdMap,
            MaxReadAheadBytes = maxReadAhead,
            Authenticate = (_, _) => new(answer.Task),
        });
        await using var cut = new Cut(server, time);
        byte[] packet = PeerBytes.Frame(17, [0xc5, 0x27, 0x07, .. new byte[0x2707]]);
        byte[] all =
        [
            .. PeerBytes.Handshake(true, (Registries.Name, 2_000)), .. Enumerable.Repeat(packet, packets).SelectMany(bytes => bytes),
        ];
        var reader = new HandFedReader(all);
        Task<Connection> attaching = server.AttachAsync(new DuplexPipe(reader, PipeWriter.Create(Stream.Null)));
        await Bounded.UntilAsync(() => reader.IsAsked);
        await reader.FeedAsync(PeerBytes.Init.Length);
        await time.BeatUntilAsync(() => reader.IsAsked); // the hook is slow, so the loop reads ahead
        while (!await reader.FeedAsync(1)) // until it has reached its wait
            await Bounded.UntilAsync(() => reader.IsAsked);

        int held = reader.Fed - PeerBytes.Init.Length;
        Assert.InRange(held, 1, most / 2);
        Assert.True(await reader.FeedAsync(most - 1 - held));
        Assert.False(await reader.FeedAsync(1));
        Assert.False(reader.IsAsked);
        Assert.Equal(0, handled);

        answer.SetResult(AuthenticationResult.Accept());
        await attaching.Soon();
        await Bounded.UntilAsync(() => reader.IsAsked);
        await reader.FeedAsync(all.Length - reader.Fed);
        await Bounded.UntilAsync(() => Volatile.Read(ref handled) == packets);
    }

    [Fact]
    public async Task A_stranger_gets_no_names_of_packets()
    {
        await using PeerPair pair = Pair(Transport.TcpIPv4, Registries.Sink(), (_, _) => new(AuthenticationResult.Refuse("no")));
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync(PeerBytes.Init);
        int[] ids = await ReadIdsAsync(raw, 2);
        Assert.Equal([WireProtocol.InitId, WireProtocol.SoftQuitId], ids);
        Assert.Null(await raw.ReadFrameAsync());
    }

    [Theory, AllTransports]
    public async Task A_hook_that_takes_too_long_is_cancelled_with_the_time_out_of_the_handshake(Transport transport)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new WatchedTime();
        await using PeerPair pair = Pair(transport, Registries.Sink(), WaitAsync, new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync(Early);
        await asked.Task.Soon();
        time.Beat(9);
        Assert.False(cancelled.Task.IsCompleted);
        time.Beat(1);
        await cancelled.Task.Soon();
        Assert.Equal(CloseReason.HandshakeTimeout, await raw.ReadSoftQuitAsync());
        CloseInfo server = await RefusedAsync(pair);
        Assert.Equal((CloseReason.HandshakeTimeout, CloseInitiator.Local), (server.Reason, server.Initiator));

        async ValueTask<AuthenticationResult> WaitAsync(AuthenticationContext context, CancellationToken cancellationToken)
        {
            asked.SetResult();
            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }
            finally
            {
                cancelled.SetResult();
            }

            return AuthenticationResult.Accept();
        }
    }

    [Theory]
    [InlineData(true, true, "reason.bye")]
    [InlineData(true, false, "reason.bye")]
    [InlineData(false, true, "reason.disconnected")]
    [InlineData(false, false, "reason.disconnected")]
    public async Task A_side_that_leaves_meanwhile_cancels_the_hook_and_its_reason_stands(bool saysWhy, bool givesUp, string reason)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var time = new WatchedTime();
        await using PeerPair pair = Pair(
            Transport.TcpIPv4, Registries.Sink(),
            async (_, cancellationToken) =>
            {
                asked.TrySetResult();
                try
                {
                    await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
                }
                catch (OperationCanceledException) when (!givesUp)
                {
                    // It says yes all the same.
                }

                return AuthenticationResult.Accept();
            },
            new PeerOptions { TimeProvider = time, HandshakeTimeout = TimeSpan.FromDays(24) });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync([.. PeerBytes.Init, .. PeerBytes.IdMap(true, (Registries.Name, 2_000)), .. saysWhy ? RawEnd.SoftQuit("reason.bye") : []]);
        await raw.EndAsync();
        await asked.Task.Soon();
        // More than one: a beat that comes before the hook has given back its task does not see that it is slow.
        await time.BeatUntilAsync(() => pair.ServerRefused.Reader.Count > 0);
        CloseInfo server = await RefusedAsync(pair);
        Assert.Equal((reason, CloseInitiator.Remote), (server.Reason.Name, server.Initiator));
        Assert.Empty(pair.ServerLost);
    }

    [Fact]
    public async Task A_yes_that_comes_after_the_end_changes_nothing()
    {
        await using PeerPair pair = Pair(Transport.TcpIPv4, Registries.Sink(), async (context, _) =>
        {
            await context.Connection.SoftQuitAsync("reason.notyet", CancellationToken.None); // of its own connection, so it does not wait
            return AuthenticationResult.Accept(User("alice"));
        });
        CloseInfo client = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        Assert.Equal(new CloseReason("reason.notyet"), client.Reason);
        Assert.Equal(new CloseReason("reason.notyet"), (await RefusedAsync(pair)).Reason);
        Assert.Empty(pair.ServerLost);
    }

    [Fact]
    public async Task A_peer_that_stops_does_not_wait_for_its_hooks()
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using PeerPair pair = Pair(Transport.TcpIPv4, Registries.Sink(), async (_, cancellationToken) =>
        {
            asked.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            return AuthenticationResult.Accept();
        });
        Task<Connection> connecting = pair.OpenAsync();
        await asked.Task.Soon();
        await pair.Server.StopAsync().Soon();
        Assert.Equal(CloseReason.Shutdown, (await Assert.ThrowsAsync<ConnectionClosedException>(() => connecting.Soon())).CloseInfo.Reason);
    }

    [Theory, AllTransports]
    public async Task A_client_can_refuse_its_server(Transport transport)
    {
        await using var pair = new PeerPair(
            transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()),
            serverOptions: new PeerOptions { Authenticate = (_, _) => new(AuthenticationResult.Accept()) },
            clientOptions: new PeerOptions { Authenticate = (_, _) => new(AuthenticationResult.Refuse("Another server is expected.")) });
        CloseInfo client = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        Assert.Equal((CloseReason.AuthenticationFailed, CloseInitiator.Local), (client.Reason, client.Initiator));
        CloseInfo server = await RefusedAsync(pair);
        Assert.Equal((CloseReason.AuthenticationFailed, CloseInitiator.Remote), (server.Reason, server.Initiator));
    }

    [Fact]
    public async Task Two_sides_that_both_ask_are_made()
    {
        var options = new PeerOptions
        {
            Authenticate = async (_, _) =>
            {
                await Task.Yield();
                return AuthenticationResult.Accept(User("somebody"));
            },
        };
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), options, options);
        (Connection client, Connection server) = await pair.ConnectAsync();
        Assert.All([client, server], connection => Assert.Equal("somebody", connection.User?.Identity?.Name));
    }

    [Fact]
    public void A_refusal_needs_a_reason() => Assert.Throws<ArgumentException>(() => AuthenticationResult.Refuse(""));

    private static ClaimsPrincipal User(string name) => new(new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], "test"));

    private static PeerPair Pair(
        Transport transport, Packet packet, Func<AuthenticationContext, CancellationToken, ValueTask<AuthenticationResult>> hook, PeerOptions? options = null)
        => new(
            transport, Registries.Server(packet), Registries.Client(Registries.Sink()), (options ?? new PeerOptions()) with { Authenticate = hook });

    private static async Task<CloseInfo> RefusedAsync(PeerPair pair) => (await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo;

    private static async Task<int[]> ReadIdsAsync(RawEnd raw, int count)
    {
        var ids = new List<int>();
        while (ids.Count < count && await raw.ReadFrameAsync() is { } frame)
            ids.Add(frame.PacketId);
        return [.. ids];
    }

    /// <summary>Stops a peer whose other side answers nothing.</summary>
    private sealed class Cut(Peer peer, WatchedTime time) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Task stopping = peer.StopAsync(new CancellationToken(canceled: true));
            await time.BeatUntilAsync(() => stopping.IsCompleted);
            await stopping;
        }
    }
}
