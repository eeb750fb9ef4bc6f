using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Where the application's own code runs: in order, one thing at a time, and its faults stay its own.</summary>
public sealed class HandlerTests
{
    [Theory, AllTransports]
    public async Task Handlers_of_one_connection_run_in_order_and_one_at_a_time(Transport transport)
    {
        const int count = 300;
        int running = 0;
        var seen = new Inbox();
        var sync = Packet.Create((data, context) =>
        {
            Assert.Equal(1, Interlocked.Increment(ref running));
            seen.Packet.OnReceiveAsync(data, context);
            Interlocked.Decrement(ref running);
        });
        var async = Packet.Create(async (data, context) =>
        {
            Assert.Equal(1, Interlocked.Increment(ref running));
            await Task.Yield();
            await Task.Run(() => { });
            await seen.Packet.OnReceiveAsync(data, context);
            Interlocked.Decrement(ref running);
        });
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:sync", sync), ("a:async", async)), Registries.Client(("a:sync", Registries.Sink()), ("a:async", Registries.Sink())));
        pair.Server.HandlerFailed += (_, failed) => Assert.Fail(failed.Exception.ToString());
        (Connection client, _) = await pair.ConnectAsync();

        for (int i = 0; i < count; i++)
            await client.SendAsync(i % 3 == 0 ? "a:async" : "a:sync", i);
        for (int i = 0; i < count; i++)
            Assert.Equal((long)i, await seen.NextAsync());
    }

    [Theory, AllTransports]
    public async Task Connection_made_comes_once_and_before_the_first_packet_and_connection_lost_after_the_last(Transport transport)
    {
        var story = new List<string>();
        var packet = Packet.Create(async (data, _) =>
        {
            await Task.Yield();
            story.Add($"packet {data}");
        });
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()));
        pair.Server.ConnectionMade += (_, made) => story.Add($"made {made.Connection.State}");
        pair.Server.ConnectionLost += (_, lost) => story.Add($"lost {lost.Connection.State} {lost.CloseInfo.Reason}");
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pair.ServerMadeHook = async connection =>
        {
            begun.SetResult();
            await release.Task;
            story.Add("made hook");
        };
        pair.ServerLostHook = async (connection, closeInfo) =>
        {
            await Task.Yield();
            story.Add("lost hook");
        };
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.ShakeHandsAsync(Registries.Name);
        await raw.WriteAsync([.. RawEnd.Frame(17, 1), .. RawEnd.Frame(17, 2), .. RawEnd.SoftQuit("reason.bye")]);
        await raw.EndAsync();
        Connection connection = await pair.NextMadeAsync();
        await begun.Task.Soon();
        for (int i = 0; i < 2_000; i++)
            await Task.Yield(); // time enough for a packet that would not wait its turn
        Assert.Equal(["made Active"], story);
        release.SetResult();
        await connection.Closed.Soon();

        Assert.Equal(["made Active", "made hook", "packet 1", "packet 2", "lost Closing reason.bye", "lost hook"], story);
    }

    [Theory, AllTransports]
    public async Task A_handler_that_throws_is_told_and_logged_and_the_connection_goes_on(Transport transport)
    {
        var logs = new FakeLogCollector();
        using var factory = LoggerFactory.Create(builder => builder.AddProvider(new FakeLoggerProvider(logs)));
        var inbox = new Inbox();
        var packet = Packet.Create(async (data, context) =>
        {
            if (data is "sync")
                throw new InvalidOperationException("secret of the handler");
            await Task.Yield();
            if (data is "async")
                throw new InvalidOperationException("secret of the handler");
            await inbox.Packet.OnReceiveAsync(data, context);
        });
        var thrower = Packet.Create((_, _) => throw new NotSupportedException());
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:packet", packet), ("a:thrower", thrower)),
            Registries.Client(("a:packet", Registries.Sink()), ("a:thrower", Registries.Sink())),
            new PeerOptions { LoggerFactory = factory, TimeProvider = new WatchedTime() });
        var failures = new List<HandlerFailedEventArgs>();
        pair.Server.HandlerFailed += (_, failed) =>
        {
            failures.Add(failed);
            throw new InvalidOperationException("of the callback");
        };
        (Connection client, Connection server) = await pair.ConnectAsync();

        foreach (string data in new[] { "sync", "async", "good" })
            await client.SendAsync("a:packet", data);
        await client.SendAsync("a:thrower", null);
        await client.SendAsync("a:packet", "end");

        Assert.Equal("good", await inbox.NextAsync());
        Assert.Equal("end", await inbox.NextAsync());
        Assert.Equal(["a:packet", "a:packet", "a:thrower"], failures.Select(failed => failed.PacketName));
        Assert.All(failures, failed => Assert.Same(server, failed.Connection));
        Assert.IsType<NotSupportedException>(failures[^1].Exception);
        Assert.Equal(ConnectionState.Active, server.State);
        // The same exception of the same packet, or of the callback, within a second is a count.
        Assert.Equal(2, logs.GetSnapshot().Count(record => record is { Level: LogLevel.Error, Id.Id: 200, Exception: not null }));
        Assert.Single(logs.GetSnapshot(), record => record is { Level: LogLevel.Error, Id.Id: 202 });
    }

    [Theory, AllTransports]
    public async Task A_handler_that_throws_ends_the_connection_if_the_options_say_so(Transport transport)
    {
        var seen = new Inbox();
        var packet = Packet.Create(async (data, context) =>
        {
            await seen.Packet.OnReceiveAsync(data, context);
            if (data is "fail")
                throw new InvalidOperationException();
        });
        await using var pair = new PeerPair(
            transport, Registries.Server(packet), Registries.Client(Registries.Sink()), new PeerOptions { HandlerFailure = HandlerFailureAction.Close });
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, "fail");
        CloseInfo end = await server.Closed.Soon();

        Assert.Equal((CloseReason.HandlerFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.IsType<InvalidOperationException>(end.Exception);
        Assert.Equal((CloseReason.HandlerFailed, CloseInitiator.Remote), ((await client.Closed.Soon()).Reason, (await client.Closed).Initiator));
        pair.AssertNoConnectionIsLeft(client, server);
    }

    [Theory, AllTransports]
    public async Task A_payload_that_does_not_fit_ends_the_connection_or_is_left_out(Transport transport)
    {
        foreach (RefusalAction action in Enum.GetValues<RefusalAction>())
        {
            var logs = new FakeLogCollector();
            using var factory = LoggerFactory.Create(builder => builder.AddProvider(new FakeLoggerProvider(logs)));
            var inbox = new Inbox();
            await using var pair = new PeerPair(
                transport, Registries.Server(("a:number", new Packet<int>()), ("a:next", inbox.Packet)),
                Registries.Client(("a:number", Registries.Sink()), ("a:next", Registries.Sink())),
                new PeerOptions { UnfitPayload = action, UnknownPacket = action, LoggerFactory = factory });
            await using RawEnd raw = await RawEnd.ConnectAsync(pair, "a:number", "a:next");
            Connection server = await pair.NextMadeAsync();

            await raw.WriteAsync([.. RawEnd.Frame(17, 0xa1, (byte)'x'), .. RawEnd.Frame(99, 1), .. RawEnd.Frame(18, 5)]);
            if (action == RefusalAction.Skip)
            {
                Assert.Equal(5L, await inbox.NextAsync());
                Assert.Equal(2, logs.GetSnapshot().Count(record => record is { Level: LogLevel.Warning, Id.Id: 201 }));
                Assert.Equal(ConnectionState.Active, server.State);
            }
            else
            {
                Assert.Equal(CloseReason.TypeMismatch, await raw.ReadSoftQuitAsync());
                Assert.True(inbox.IsEmpty);
            }
        }
    }

    [Fact]
    public async Task A_subscriber_that_throws_keeps_neither_the_hook_from_running_nor_the_connection_from_working()
    {
        var logs = new FakeLogCollector();
        using var factory = LoggerFactory.Create(builder => builder.AddProvider(new FakeLoggerProvider(logs)));
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()), new PeerOptions { LoggerFactory = factory });
        var hooks = new List<string>();
        pair.Server.ConnectionMade += (_, _) => throw new InvalidOperationException();
        pair.Server.ConnectionLost += (_, _) => throw new InvalidOperationException();
        pair.ServerMadeHook = _ =>
        {
            hooks.Add("made");
            throw new InvalidOperationException();
        };
        pair.ServerLostHook = (_, _) =>
        {
            hooks.Add("lost");
            throw new InvalidOperationException();
        };
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, 1);
        Assert.Equal(1L, await inbox.NextAsync());
        await client.SoftQuitAsync().Soon();
        await server.Closed.Soon();

        Assert.Equal(["made", "lost"], hooks);
        Assert.Equal(4, logs.GetSnapshot().Count(record => record is { Level: LogLevel.Error, Id.Id: 106 }));
    }

    [Theory, AllTransports]
    public async Task A_handler_that_gives_up_because_the_connection_ends_has_not_failed(Transport transport)
    {
        var entered = new TaskCompletionSource();
        var packet = Packet.Create(async (_, context) =>
        {
            entered.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.ConnectionClosing);
        });
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()));
        pair.Server.HandlerFailed += (_, failed) => Assert.Fail(failed.Exception.ToString());
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, null);
        await entered.Task.Soon();
        await server.SoftQuitAsync("reason.bye").Soon();

        Assert.Equal("reason.bye", (await client.Closed.Soon()).Reason.Name);
        Assert.Single(pair.ServerLost);
    }

    [Theory, AllTransports]
    public async Task A_log_that_throws_changes_nothing(Transport transport)
    {
        using var factory = LoggerFactory.Create(builder => builder.SetMinimumLevel(LogLevel.Trace).AddProvider(new ThrowingLog()));
        var inbox = new Inbox();
        var packet = Packet.Create(async (data, context) =>
        {
            await inbox.Packet.OnReceiveAsync(data, context);
            throw new InvalidOperationException();
        });
        var options = new PeerOptions { LoggerFactory = factory };
        await using var pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(Registries.Sink()), options, options);
        (Connection client, Connection server) = await pair.ConnectAsync();

        await client.SendAsync(Registries.Name, 1);
        await client.SendAsync(Registries.Name, 2);
        Assert.Equal(1L, await inbox.NextAsync());
        Assert.Equal(2L, await inbox.NextAsync());
        await client.SoftQuitAsync("reason.bye").Soon();
        Assert.Equal("reason.bye", (await server.Closed.Soon()).Reason.Name);
        pair.AssertNoConnectionIsLeft(client, server);
    }

    private sealed class ThrowingLog : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
            => throw new InvalidOperationException("The log is full.");

        public void Dispose()
        {
        }
    }
}
