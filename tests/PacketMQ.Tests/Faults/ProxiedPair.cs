using System.Collections.Concurrent;
using System.Net;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>
/// A client and a server with a <see cref="ChaosProxy"/> between them, and a bystander that is connected directly. The server answers
/// each packet with itself.
/// </summary>
internal sealed class ProxiedPair : IAsyncDisposable
{
    private const string BystanderName = "test:bystander";

    private readonly Inbox _bystanderEchoes = new();
    private readonly Client _bystander;
    private readonly EndPoint _endPoint;
    private Connection? _bystanderConnection;
    private long _exchanges;

    public ProxiedPair(PeerOptions? options = null, bool isTls = false)
    {
        PeerOptions serverOptions = options ?? new PeerOptions();
        PeerOptions clientOptions = serverOptions;
        var bystanderOptions = new PeerOptions();
        if (isTls)
        {
            serverOptions = serverOptions with { Tls = TestTls.ForServers };
            clientOptions = clientOptions with { Tls = TestTls.ForClients };
            bystanderOptions = bystanderOptions with { Tls = TestTls.ForClients };
        }

        var packet = Packet.Create((data, context) =>
        {
            Received.Enqueue(data);
            return context.ReplyAsync(Registries.Name, data);
        });
        var bystander = Packet.Create((data, context) => context.ReplyAsync(BystanderName, data));
        // No id is one bit away from another, or from a control packet's.
        Server = new Server(Registries.Make(false, 4_003, (Registries.Name, packet), (BystanderName, bystander)), serverOptions);
        Client = new Client(Registries.Client((Registries.Name, Echoes.Packet), (BystanderName, Registries.Sink())), clientOptions);
        _bystander = new Client(Registries.Client((Registries.Name, Registries.Sink()), (BystanderName, _bystanderEchoes.Packet)), bystanderOptions);
        ServerEvents = new EventLedger(Server);
        ClientEvents = new EventLedger(Client);
        _endPoint = Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        Proxy = new ChaosProxy(_endPoint, isTls);
    }

    public Server Server { get; }

    public Client Client { get; }

    public ChaosProxy Proxy { get; }

    public EventLedger ServerEvents { get; }

    public EventLedger ClientEvents { get; }

    /// <summary>What the server's handler has seen since the last conversation began.</summary>
    public ConcurrentQueue<object?> Received { get; } = new();

    /// <summary>What came back.</summary>
    public EchoBox Echoes { get; } = new();

    /// <summary>Connects, sends each value and waits for the last echo, then quits; with whatever the fault makes of it.</summary>
    /// <param name="values">What to send.</param>
    /// <param name="onQuiet">What to do, again and again, when nothing goes on any more.</param>
    /// <param name="what">What a conversation that does not end is called.</param>
    /// <returns>How both ends ended.</returns>
    public async Task<(CloseInfo Client, CloseInfo Server)> ConverseAsync(object?[] values, Action? onQuiet = null, string what = "")
    {
        Received.Clear();
        Echoes.Clear();
        var clientSide = new NextConnection(Client, ClientEvents);
        var serverSide = new NextConnection(Server, ServerEvents);
        Task<(CloseInfo, CloseInfo)> conversation = Task.Run(async () =>
        {
            await ClientSideAsync(values);
            return (await EndAsync(ClientEvents, "client"), await EndAsync(ServerEvents, "server"));
        });
        while (onQuiet is not null && await Task.WhenAny(conversation, Quiet()) != conversation)
        {
            // Before both have it a clock that is turned would end the one side alone, and the other would never begin.
            if (clientSide.HasBegun && serverSide.HasBegun)
                onQuiet();
        }

        return await conversation.Soon();

        async Task<CloseInfo> EndAsync(EventLedger events, string side)
        {
            try
            {
                return await events.NextEndAsync();
            }
            catch (TimeoutException exception)
            {
                throw new TimeoutException(
                    $"The {side}'s end does not come: {what}; {Received.Count} received, {Echoes.Values.Length} echoed; open: {Client.Connections.Length}, {Server.Connections.Length}", exception);
            }
        }
    }

    /// <summary>Proves that the server serves others.</summary>
    public async Task AssertBystanderIsServedAsync()
    {
        _bystanderConnection ??= await _bystander.ConnectAsync(_endPoint).Soon();
        await _bystanderConnection.SendAsync(BystanderName, ++_exchanges);
        Assert.Equal(_exchanges, await _bystanderEchoes.NextAsync());
        // The echo can be here before the thread that wrote it has noted so, and a clock that is turned fast would take that for a slow consumer.
        Connection atServer = Server.Connections.Single(connection => Equals(connection.RemoteEndPoint, _bystanderConnection.LocalEndPoint));
        await Bounded.UntilAsync(() => !atServer.IsWaitingForTransport);
    }

    public async ValueTask DisposeAsync()
    {
        await Proxy.DisposeAsync();
        await Task.WhenAll(Client.StopAsync(), _bystander.StopAsync(), Server.StopAsync()).Soon();
    }

    private static Task Quiet() => Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);

    private async Task ClientSideAsync(object?[] values)
    {
        try
        {
            Connection connection = await Client.ConnectAsync(Proxy.EndPoint);
            foreach (object? value in values)
                await connection.SendAsync(Registries.Name, value);
            await Echoes.CountAsync(values.Length).WaitAsync(connection.Closing);
            await connection.SoftQuitAsync();
        }
        catch (Exception exception) when (exception is ConnectionClosedException or OperationCanceledException)
        {
            // The fault came first; the events tell how it ended.
        }
    }

    /// <summary>The connection that a peer has behind those that it had when this was made.</summary>
    private sealed class NextConnection(Peer peer, EventLedger events)
    {
        private readonly int _before = events.Count;
        private readonly long _id = events.Connections.Select(connection => connection.Id).DefaultIfEmpty().Max() + 1;

        public bool HasBegun => peer.TryGetConnection(_id, out _) || events.Count > _before;
    }
}
