using System.Collections.Concurrent;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>
/// Threads do whatever the API offers to the same connections and peers at once: connect and give up, send, close, abort, stop, dispose,
/// send to all; from outside, from handlers, from made and lost callbacks. What each does follows from a seed. To hunt:
/// <c>PACKETMQ_RACE_SEED</c> begins elsewhere, <c>PACKETMQ_RACE_ROUNDS</c> goes on longer.
/// </summary>
[Collection(nameof(Alone))] // unobserved exceptions of other tests are not its own
public sealed class RaceTests
{
    private const int Threads = 6;
    private const int Steps = 60;

    private static readonly int FirstSeed = Setting.Read("PACKETMQ_RACE_SEED", 1);
    private static readonly int Rounds = Setting.Read("PACKETMQ_RACE_ROUNDS", 4);

    private enum Act
    {
        Connect,
        ConnectAndGiveUp,
        Send,
        SendUnawaited,
        SendToAll,
        SoftQuit,
        SoftQuitTwice,
        Abort,
        CloseFromHandler,
        SendFromHandler,
        StopFromHandler,
        AwaitClosed,
        Broadcast,
        BroadcastUnawaited,
    }

    [Theory, AllTransports]
    public async Task Whatever_happens_at_once_everything_ends_once(Transport transport)
    {
        for (int seed = FirstSeed; seed < FirstSeed + Rounds; seed++)
        {
            try
            {
                using var unobserved = new UnobservedExceptions();
                await new Race(transport, seed).RunAsync();
                unobserved.AssertNone();
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"PACKETMQ_RACE_SEED={seed} PACKETMQ_RACE_ROUNDS=1, {transport}: {exception.Message}", exception);
            }
        }
    }

    /// <summary>One seed's schedule: the acts of each thread, and how and when the peers stop.</summary>
    private sealed class Race
    {
        private readonly ConcurrentQueue<string> _wrong = new();
        private readonly ConcurrentDictionary<(Connection, long), long> _next = new();
        private readonly ConcurrentDictionary<(Connection, long), long> _lastBroadcast = new();
        private readonly ConcurrentBag<Connection> _known = [];
        private long _broadcasts;
        private readonly Transport _transport;
        private readonly int _seed;
        private readonly PeerPair _pair;
        private readonly EventLedger _serverEvents;
        private readonly EventLedger _clientEvents;

        public Race(Transport transport, int seed)
        {
            (_transport, _seed) = (transport, seed);
            var options = new PeerOptions { MaxPendingSendBytes = 100_003, MaxReadAheadBytes = 10_000 };
            var packet = Packet.Create(HandleAsync);
            _pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(packet), options, options);
            _serverEvents = new EventLedger(_pair.Server);
            _clientEvents = new EventLedger(_pair.Client);
            foreach (Peer peer in new Peer[] { _pair.Server, _pair.Client })
            {
                peer.ConnectionMade += (_, made) => _known.Add(made.Connection);
                peer.HandlerFailed += (_, failed) => _wrong.Enqueue(failed.Exception.ToString());
            }

            _pair.ServerMadeHook = connection => HookAsync(connection, (connection.Id + seed) % 7);
            _pair.ServerLostHook = (connection, _) => HookAsync(connection, (connection.Id + seed) % 5);
        }

        public async Task RunAsync()
        {
            var random = new Random(_seed);
            int stopStep = random.Next(Steps / 2, Steps * Threads);
            int stopKind = random.Next(4);
            int step = 0;
            // A fixed share of the work for each thread, each with its own random numbers.
            Task[] threads = [.. Enumerable.Range(0, Threads).Select(thread => Task.Run(async () =>
            {
                var own = new Random((_seed * 1_000) + thread);
                for (int i = 0; i < Steps; i++)
                {
                    if (Interlocked.Increment(ref step) == stopStep)
                        await StopAsync(stopKind);
                    await ActAsync(own, thread, (Act)own.Next(Enum.GetValues<Act>().Length));
                }
            }))];
            await Task.WhenAll(threads).Soon();
            await Task.WhenAll(_pair.Client.StopAsync(), _pair.Server.DisposeAsync().AsTask(), _pair.Server.StopAsync(), _pair.Client.RunAsync()).Soon();

            Assert.Empty(_wrong);
            await _serverEvents.AssertAllEndedAsync();
            await _clientEvents.AssertAllEndedAsync();
            _pair.AssertNoConnectionIsLeft([.. _known]);
            await Assert.ThrowsAsync<ConnectionClosedException>(() => _pair.OpenAsync().Soon());
        }

        private Task StopAsync(int kind)
        {
            Peer peer = kind < 2 ? _pair.Server : _pair.Client;
            return (kind % 2) switch
            {
                0 => Task.WhenAll(peer.StopAsync(), peer.StopAsync(new CancellationToken(canceled: true))),
                _ => Task.WhenAll(peer.StopAsync(), Task.Run(() => peer.DisposeAsync().AsTask())),
            };
        }

        private async Task ActAsync(Random random, int thread, Act act)
        {
            Connection? connection = Pick(random);
            try
            {
                switch (act)
                {
                    case Act.Connect:
                        await _pair.OpenAsync();
                        break;
                    case Act.ConnectAndGiveUp:
                        using (var given = new CancellationTokenSource())
                        {
                            Task<Connection> opening = _pair.OpenAsync(given.Token);
                            for (int turns = random.Next(20); turns > 0; turns--)
                                await Task.Yield();
                            await given.CancelAsync();
                            await opening;
                        }

                        break;
                    case Act.Send:
                        await SendAsync(connection, random, thread, "");
                        break;
                    case Act.SendUnawaited:
                        await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => connection?.SendAsync(Registries.Name, new byte[random.Next(60_000)]).AsTask() ?? Task.CompletedTask));
                        break;
                    case Act.SendToAll:
                        foreach (Connection one in (random.Next(2) == 0 ? _pair.Server : (Peer)_pair.Client).Connections)
                            await SendAsync(one, random, thread, "");
                        break;
                    case Act.SoftQuit:
                        await (connection?.SoftQuitAsync("reason.thread") ?? Task.CompletedTask);
                        break;
                    case Act.SoftQuitTwice:
                        await Task.WhenAll(connection?.SoftQuitAsync() ?? Task.CompletedTask, connection?.Peer.SoftQuitAsync(connection.Id) ?? Task.CompletedTask);
                        break;
                    case Act.Abort when random.Next(3) == 0:
                        connection?.Abort();
                        break;
                    case Act.CloseFromHandler when random.Next(2) == 0:
                        await SendAsync(connection, random, thread, random.Next(2) == 0 ? "quit" : "abort");
                        break;
                    case Act.SendFromHandler:
                        await SendAsync(connection, random, thread, "answer");
                        break;
                    case Act.StopFromHandler when random.Next(30) == 0:
                        await SendAsync(connection, random, thread, "stop");
                        break;
                    case Act.Broadcast:
                        await BroadcastAsync(random, thread);
                        break;
                    case Act.BroadcastUnawaited:
                        await Task.WhenAll(BroadcastAsync(random, thread), BroadcastAsync(random, thread));
                        break;
                    case Act.AwaitClosed when connection?.Closing.IsCancellationRequested == true:
                        await connection.Closed;
                        break;
                }
            }
            catch (Exception exception) when (exception is ConnectionClosedException or OperationCanceledException or KeyNotFoundException)
            {
                // Somebody else was faster.
            }
        }

        private Connection? Pick(Random random)
        {
            Connection[] known = [.. _known.Where(connection => connection.State < ConnectionState.Closed)];
            return known.Length == 0 ? null : known[random.Next(known.Length)];
        }

        private async Task SendAsync(Connection? connection, Random random, int thread, string wish)
        {
            if (connection is null)
                return;
            long number = _next.AddOrUpdate((connection, -1 - thread), 0, (_, last) => last + 1);
            await connection.SendAsync(Registries.Name, new object[] { thread, number, wish, new byte[random.Next(random.Next(10) == 0 ? 50_000 : 200)] });
        }

        // In the order of their numbers on each connection, with gaps: others send between, and a connection may be younger than a broadcast.
        private Task BroadcastAsync(Random random, int thread)
        {
            Peer peer = random.Next(2) == 0 ? _pair.Server : _pair.Client;
            object data = new object[] { thread, Interlocked.Increment(ref _broadcasts), new byte[random.Next(random.Next(10) == 0 ? 50_000 : 200)] };
            return peer.BroadcastAsync(Registries.Name, data).AsTask();
        }

        private async ValueTask HandleAsync(object? data, PacketContext context)
        {
            if (data is object?[] { Length: 3 } broadcast)
            {
                (Connection, long) from = (context.Connection, (long)broadcast[0]!);
                if (_lastBroadcast.TryGetValue(from, out long last) && last >= (long)broadcast[1]!)
                    _wrong.Enqueue($"broadcast {broadcast[1]} of thread {broadcast[0]} behind {last} on {context.Connection}");
                _lastBroadcast[from] = (long)broadcast[1]!;
                return;
            }

            if (data is not object?[] parts)
                return;
            (long thread, long number) = ((long)parts[0]!, (long)parts[1]!);
            if (_next.AddOrUpdate((context.Connection, thread), 1, (_, expected) => expected + 1) != number + 1)
                _wrong.Enqueue($"{number} of thread {thread} on {context.Connection}");
            if (number % 3 == 0)
                await Task.Yield();
            try
            {
                switch (parts[2])
                {
                    case "quit":
                        await context.Connection.SoftQuitAsync("reason.handler");
                        break;
                    case "abort":
                        context.Connection.Abort();
                        break;
                    case "stop":
                        await context.Peer.StopAsync();
                        break;
                    case "answer":
                        await context.ReplyAsync(Registries.Name, new byte[100]);
                        break;
                }
            }
            catch (ConnectionClosedException)
            {
                // The connection ends meanwhile.
            }
        }

        private async ValueTask HookAsync(Connection connection, long choice)
        {
            try
            {
                switch (choice)
                {
                    case 0:
                        await connection.SoftQuitAsync("reason.hook");
                        break;
                    case 1:
                        await connection.SendAsync(Registries.Name, new byte[10]);
                        break;
                    case 2:
                        connection.Abort();
                        break;
                    case 3:
                        await Task.Yield();
                        break;
                }
            }
            catch (ConnectionClosedException)
            {
                // It has ended.
            }
        }
    }
}
