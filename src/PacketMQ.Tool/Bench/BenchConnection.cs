namespace PacketMQ.Tool.Bench;

/// <summary>The client's side of a measurement: one connection with its packets.</summary>
internal sealed class BenchConnection : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TimeProvider _clock;
    private readonly Client _client;
    private readonly BinaryPacket _sink = new();
    private readonly BinaryPacket _count = new();
    private readonly BinaryPacket _echo;
    private Connection? _connection;
    private TaskCompletionSource<BenchCount>? _counted;
    private int _asked;
    private int _answered;
    private EchoLoad? _echoLoad;

    private BenchConnection(TimeProvider clock)
    {
        _clock = clock;
        _echo = new BinaryPacket((data, _) => _echoLoad is { } load ? load.ReceiveAsync(data.Length) : default);
        var registry = new PacketRegistry(adaptPacketIds: true);
        BenchPackets.Add(registry, BenchPackets.Sink, _sink);
        BenchPackets.Add(registry, BenchPackets.Count, _count);
        BenchPackets.Add(registry, BenchPackets.Counted, new Packet<BenchCount>((count, _) => TakeCount(count)));
        BenchPackets.Add(registry, BenchPackets.Echo, _echo);
        // The server may have other packets too.
        _client = new Client(registry, new PeerOptions { PacketMismatch = PacketMismatch.Allow, TimeProvider = clock });
    }

    /// <summary>How many messages were sent one way so far.</summary>
    public long SentMessages { get; private set; }

    /// <summary>Completes when the connection has ended.</summary>
    public Task Closed => Connection.Closed;

    private Connection Connection => _connection!;

    /// <summary>Connects.</summary>
    /// <exception cref="ConnectionClosedException">There was no way, or the server refused.</exception>
    /// <exception cref="CommandException">The server does not have the packets.</exception>
    public static async Task<BenchConnection> OpenAsync(ServerAddress address, TimeProvider clock, CancellationToken cancellationToken)
    {
        var opened = new BenchConnection(clock);
        try
        {
            opened._connection = await opened._client.ConnectAsync(address.ToEndPoint(), cancellationToken);
            if (!BenchPackets.Names.All(name => opened.Connection.CanSend(name)))
            {
                throw new CommandException(
                    ExitCode.Refused, $"The server at {address} takes no part in measurements; 'packetmq serve --bench' does.");
            }

            return opened;
        }
        catch
        {
            await opened.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends the payload again and again, as fast as the connection takes it, until the token is cancelled.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> payload, CancellationToken until)
    {
        while (!until.IsCancellationRequested)
        {
            await Connection.SendAsync(_sink, payload, CancellationToken.None);
            SentMessages++;
        }
    }

    /// <summary>Asks the server what it has received of all that was sent so far. One call at a time.</summary>
    /// <exception cref="CommandException">There was no answer in time.</exception>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    public async Task<BenchCount> CountAsync(CancellationToken cancellationToken)
    {
        var counted = new TaskCompletionSource<BenchCount>(TaskCreationOptions.RunContinuationsAsynchronously);
        _asked++;
        Volatile.Write(ref _counted, counted);
        await Connection.SendAsync(_count, ReadOnlyMemory<byte>.Empty, CancellationToken.None);
        await UnlessLostAsync(counted.Task, cancellationToken);
        return await counted.Task;
    }

    /// <summary>Begins round trips; they run until the load ends them.</summary>
    public async Task BeginAsync(EchoLoad load, ReadOnlyMemory<byte> payload)
    {
        _echoLoad = load;
        await load.StartAsync(() => Connection.SendAsync(_echo, payload));
    }

    /// <summary>Waits for something that the server has to do.</summary>
    /// <exception cref="CommandException">It was not done in time.</exception>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    public async Task UnlessLostAsync(Task task, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAny(task, Connection.Closed).WaitAsync(Patience, _clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            throw new CommandException(ExitCode.TimedOut, $"The server did not answer within {Patience.TotalSeconds} s.");
        }

        if (!task.IsCompleted)
            throw new ConnectionClosedException(await Connection.Closed);
        await task;
    }

    /// <summary>Says goodbye.</summary>
    public ValueTask DisposeAsync() => _client.DisposeAsync();

    /// <summary>An answer to a question that nobody waits for any more is not the answer to the next one.</summary>
    private void TakeCount(BenchCount count)
    {
        if (++_answered == Volatile.Read(ref _asked))
            Volatile.Read(ref _counted)!.TrySetResult(count);
    }
}
