using System.Collections.Concurrent;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections.Life;

/// <summary>
/// One seed: calls and events chosen at random, each done to the model and to real peers, which must come to look the same before the next
/// one. The clock of the peers stands still, so that nothing happens by itself.
/// </summary>
internal sealed class LifeRun : IAsyncDisposable
{
    private const int Steps = 30;
    private const int MaxLinks = 5;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly Random _random;
    private readonly PeerPair _pair;
    private readonly ConcurrentDictionary<Connection, RealEnd> _ends = new();
    private readonly List<Link> _links = [];
    private readonly List<(string Call, Task Task, Func<bool> IsOver)> _calls = [];
    private readonly List<string> _story = [];
    private readonly HashSet<Peer> _stopped = [];
    private bool _holdsMade;
    private bool _holdsLost;
    private long _number;

    public LifeRun(Transport transport, int seed)
    {
        _random = new Random(seed);
        var options = new PeerOptions { TimeProvider = new WatchedTime() };
        var packet = Packet.Create(HandleAsync);
        _pair = new PeerPair(transport, Registries.Server(packet), Registries.Client(packet), options, options)
        {
            ServerMadeHook = connection => EndOf(connection).HoldAsync(EndOf(connection).HoldsMade),
            ServerLostHook = (connection, _) => EndOf(connection).HoldAsync(EndOf(connection).HoldsLost),
        };
        foreach (Peer peer in new Peer[] { _pair.Server, _pair.Client })
        {
            peer.ConnectionMade += (_, e) => EndOf(e.Connection).Add("made");
            peer.ConnectionLost += (_, e) => EndOf(e.Connection).Add($"lost {EndingOf(e.CloseInfo)}");
            peer.ConnectionRefused += (_, e) => EndOf(e.Connection).Add($"refused {EndingOf(e.CloseInfo)}");
            peer.HandlerFailed += (_, e) => EndOf(e.Connection).Add(e.Exception.ToString());
        }
    }

    private IEnumerable<RealEnd> RealEnds => _links.SelectMany(link => link.Ends);

    public static object[] Data(long number, Wish wish) => [number, (long)wish];

    public static (long Number, Wish Wish) Read(object? data) => ((long)((object?[])data!)[0]!, (Wish)(long)((object?[])data)[1]!);

    public async Task RunAsync()
    {
        try
        {
            for (int step = 0; step < Steps; step++)
            {
                await StepAsync();
                await SettleAsync();
            }

            foreach (Peer peer in new Peer[] { _pair.Server, _pair.Client })
            {
                Stop(peer);
                await SettleAsync();
            }

            while (RealEnds.FirstOrDefault(end => end.Model.IsHeld) is { } held) // by a packet, and then by the callback of its end
            {
                Release(held);
                await SettleAsync();
            }

            await Assert.ThrowsAsync<ConnectionClosedException>(() => _pair.OpenAsync().Soon());
            Assert.All(RealEnds, end => Assert.Equal(ConnectionState.Closed, end.Connection.State));
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"{exception.Message}\n{string.Join('\n', _story)}\n{string.Join('\n', _links)}", exception);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (RealEnd end in _ends.Values)
            end.OpenForGood();
        await _pair.DisposeAsync();
        foreach (Link link in _links.Where(link => link.Stranger is not null))
            await link.Stranger!.DisposeAsync();
    }

    private static Ending EndingOf(CloseInfo info) => new(info.Reason, info.Initiator);

    private async ValueTask HandleAsync(object? data, PacketContext context)
    {
        (long number, Wish wish) = Read(data);
        RealEnd end = EndOf(context.Connection);
        end.Add($"got {number}");
        await end.HoldAsync(wish == Wish.Hold);
        if (wish == Wish.Quit)
            await context.Connection.SoftQuitAsync(ModelEnd.HandlerReason);
        else if (wish == Wish.Abort)
            context.Connection.Abort();
    }

    private RealEnd EndOf(Connection connection)
        => _ends.GetOrAdd(connection, static (made, run) => new RealEnd(made)
        {
            HoldsMade = run._holdsMade && made.Peer is not ClientPeer,
            HoldsLost = run._holdsLost && made.Peer is not ClientPeer,
        }, this);

    private async Task StepAsync()
    {
        int choice = _random.Next(100);
        RealEnd[] open = [.. RealEnds.Where(end => end.Model.State != ConnectionState.Closed || _random.Next(8) == 0)];
        if (open.Length == 0 || choice < 14)
        {
            if (_links.Count < MaxLinks && _stopped.Count == 0)
                await OpenAsync(isStranger: _random.Next(3) == 0);
            return;
        }

        RealEnd end = open[_random.Next(open.Length)];
        Link link = _links.Single(link => link.Ends.Contains(end));
        switch (choice)
        {
            case < 40:
                await SendAsync(end, (Wish)(_random.Next(3) == 0 ? _random.Next(4) : _random.Next(2)));
                break;
            case < 50:
                await BroadcastAsync(end.Connection.Peer);
                break;
            case < 60:
                SoftQuit(end, $"reason.{_random.Next(3)}");
                break;
            case < 66:
                Tell($"abort {end.Model}");
                end.Connection.Abort();
                end.Model.Abort();
                break;
            case < 72 when end.Model.IsHeld:
                Release(end);
                break;
            case < 74 when _random.Next(4) == 0:
                Stop(end.Connection.Peer);
                break;
            default:
                if (link.Stranger is not null)
                    await PlayAsync(link);
                else if (end.Model.IsHeld && _random.Next(2) == 0)
                    Release(end);
                break;
        }
    }

    private async Task OpenAsync(bool isStranger)
    {
        _holdsMade = _random.Next(6) == 0;
        _holdsLost = _random.Next(3) == 0;
        int number = _links.Count + 1;
        Tell($"open {number}{(isStranger ? " by a stranger" : "")}{(_holdsMade ? ", made is held" : "")}{(_holdsLost ? ", lost is held" : "")}");
        (ModelEnd one, ModelEnd other) = ModelEnd.Connect(new($"client {number}", isStranger), new($"server {number}", isStranger: false));
        (other.HoldsMade, other.HoldsLost) = (_holdsMade, _holdsLost);
        if (isStranger)
        {
            var stranger = new Stranger(await RawEnd.OpenAsync(_pair));
            _links.Add(new Link(stranger, one, [Bind(await BegunAsync(number), other)]));
            return;
        }

        Connection client = await _pair.OpenAsync().Soon();
        one.Activate();
        other.Activate();
        _links.Add(new Link(null, one, [Bind(client, one), Bind(await BegunAsync(number), other)]));
    }

    private async Task<Connection> BegunAsync(int number)
    {
        Connection? begun = null;
        await Bounded.UntilAsync(() => _pair.Server.TryGetConnection(number, out begun));
        return begun!;
    }

    private RealEnd Bind(Connection connection, ModelEnd model)
    {
        RealEnd end = EndOf(connection);
        end.Model = model;
        return end;
    }

    private async Task SendAsync(RealEnd end, Wish wish)
    {
        long number = ++_number;
        Tell($"send {number} {wish} from {end.Model}");
        bool isLate = end.Model.HasSaidFarewell;
        Outcome outcome = end.Model.Send(number, wish);
        Exception? thrown = await Record.ExceptionAsync(() => end.Connection.SendAsync(Registries.Name, Data(number, wish)).Soon());
        switch (outcome)
        {
            case Outcome.Done:
                Assert.Null(thrown);
                break;
            case Outcome.TooEarly:
                Assert.IsType<PacketException>(thrown);
                break;
            case Outcome.DoneOrEnded when thrown is null:
                if (isLate)
                    end.Model.SentBeforeFarewell(number, wish);
                break;
            default:
                Assert.Equal(end.Model.Ending, EndingOf(Assert.IsType<ConnectionClosedException>(thrown).CloseInfo));
                break;
        }
    }

    private async Task BroadcastAsync(Peer peer)
    {
        long number = ++_number;
        Tell($"broadcast {number}");
        ModelEnd[] receivers = [.. RealEnds.Where(end => end.Connection.Peer == peer).Select(end => end.Model).Where(end => end.State == ConnectionState.Active)];
        foreach (ModelEnd receiver in receivers)
            receiver.Send(number, Wish.None);
        Assert.Equal(receivers.Length, await peer.BroadcastAsync(Registries.Name, Data(number, Wish.None)).Soon());
    }

    private void SoftQuit(RealEnd end, CloseReason reason)
    {
        Tell($"softquit {reason} at {end.Model}");
        _calls.Add(("softquit", end.Connection.SoftQuitAsync(reason), () => end.Model.State == ConnectionState.Closed));
        end.Model.SoftQuit(reason);
    }

    private void Release(RealEnd end)
    {
        Tell($"release {end.Model}");
        end.Open();
        end.Model.Release();
    }

    private void Stop(Peer peer)
    {
        Tell($"stop {(peer is ClientPeer ? "client" : "server")}");
        _stopped.Add(peer);
        RealEnd[] ends = [.. RealEnds.Where(end => end.Connection.Peer == peer)];
        Task stopping = _random.Next(2) == 0 ? peer.StopAsync() : peer.DisposeAsync().AsTask();
        _calls.Add(("stop", stopping, () => ends.All(end => end.Model.State == ConnectionState.Closed)));
        foreach (RealEnd end in ends)
            end.Model.SoftQuit(CloseReason.Shutdown);
    }

    private async Task PlayAsync(Link link)
    {
        ModelEnd stranger = link.Client;
        if (_random.Next(8) == 0)
        {
            Tell($"cut by {stranger}");
            link.Stranger!.Cut();
            stranger.Cut();
            link.IsFinished = true;
            return;
        }

        if (link.IsFinished || stranger.HasSaidFarewell || stranger.IsCutOff)
            return;
        bool isPeer = link.IsPeer;
        Arrival[] options =
        [
            isPeer ? new Arrival.Packet(++_number, (Wish)_random.Next(4)) : new Arrival.Handshake(),
            isPeer ? new Arrival.Packet(++_number, Wish.None) : new Arrival.Handshake(),
            new Arrival.SoftQuit("reason.stranger"), new Arrival.BadFrame(), new Arrival.End(IsInsideFrame: _random.Next(2) == 0),
        ];
        Arrival arrival = options[_random.Next(options.Length)];
        Tell($"{arrival} from {stranger}");
        link.IsPeer = true;
        link.IsFinished = arrival is not (Arrival.Packet or Arrival.Handshake);
        await link.Stranger!.SayAsync(arrival);
        stranger.Say(arrival);
        if (arrival is Arrival.SoftQuit)
        {
            await link.Stranger.SayAsync(new Arrival.End(IsInsideFrame: false));
            stranger.Say(new Arrival.End(IsInsideFrame: false));
        }
    }

    private void Tell(string what) => _story.Add(what);

    private async Task SettleAsync()
    {
        await UntilEqualAsync();
        RealEnd[] uncertain = [.. RealEnds.Where(end => end.Model.IsUncertain)];
        foreach (RealEnd end in uncertain)
            await end.ResolveAsync(); // not before the other end has come to cut it
        if (uncertain.Length > 0)
            await UntilEqualAsync();
    }

    private async Task UntilEqualAsync()
    {
        var waited = System.Diagnostics.Stopwatch.StartNew();
        while (Difference() is { } difference)
        {
            if (waited.Elapsed > Patience)
                throw new InvalidOperationException(difference);
            await Task.Yield();
        }
    }

    private string? Difference()
    {
        foreach (Link link in _links)
        {
            foreach (RealEnd end in link.Ends)
            {
                if (!end.Model.IsUncertain && end.Difference() is { } difference)
                    return difference;
            }

            if (link.Stranger is { } stranger && !link.Client.IsCutOff && !stranger.Log.SequenceEqual(link.Client.Log))
                return $"The stranger saw [{string.Join(", ", stranger.Log)}], not {link.Client}.";
        }

        if (RealEnds.Any(end => end.Model.IsUncertain))
            return null;
        foreach (Peer peer in new Peer[] { _pair.Server, _pair.Client })
        {
            IEnumerable<Connection> active = RealEnds
                .Where(end => end.Connection.Peer == peer && end.Model.State == ConnectionState.Active).Select(end => end.Connection);
            if (!peer.Connections.SequenceEqual(active))
                return $"{peer.GetType().Name} lists {string.Join(", ", peer.Connections)}, not {string.Join(", ", active)}.";
        }

        foreach ((string call, Task task, Func<bool> isOver) in _calls)
        {
            if (task.IsCompleted != isOver() || task.IsFaulted)
                return $"A {call} is {task.Status}.";
        }

        return null;
    }

    /// <summary>A connection: its ends that belong to peers, and who is at the other end.</summary>
    private sealed record Link(Stranger? Stranger, ModelEnd Client, RealEnd[] Ends)
    {
        public bool IsPeer { get; set; }

        /// <summary>The stranger has nothing more to say.</summary>
        public bool IsFinished { get; set; }

        public override string ToString() => $"{Client} -- {Client.Other}";
    }
}
