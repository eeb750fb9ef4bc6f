using System.Collections.Concurrent;
using System.Net;

namespace PacketMQ.Soak;

/// <summary>
/// The server of all runs. It answers each packet with itself, and checks that the packets of a connection are whole and come in the
/// order of their numbers.
/// </summary>
internal sealed class SoakServer : IAsyncDisposable
{
    private readonly ConcurrentDictionary<long, long> _next = new();
    private readonly ConcurrentDictionary<string, int> _reasons = new();
    private readonly Server _server;
    private long _packets;
    private int _breaks;
    private int _made;
    private int _lost;
    private int _refused;

    public SoakServer(PeerOptions? options = null, int port = 0, IPAddress? address = null)
    {
        var registry = new PacketRegistry(adaptPacketIds: false);
        registry.AddPacket(Traffic.EchoName, Packet.Create(EchoAsync), Traffic.EchoId);
        registry.AddPacket(Traffic.FeedName, Packet.Create(FeedAsync), Traffic.FeedId);
        registry.AddPacket(Traffic.SinkName, Packet.Create((_, _) => { }), Traffic.SinkId);
        registry.AddPacket(Traffic.HoldName, Packet.Create(HoldAsync), Traffic.HoldId);
        _server = new Server(registry, options);
        _server.ConnectionMade += (_, _) => Interlocked.Increment(ref _made);
        _server.ConnectionLost += (sender, e) =>
        {
            Interlocked.Increment(ref _lost);
            _next.TryRemove(e.Connection.Id, out _);
            _reasons.AddOrUpdate(e.CloseInfo.Reason.Name, 1, (_, count) => count + 1);
        };
        _server.ConnectionRefused += (_, e) =>
        {
            Interlocked.Increment(ref _refused);
            _reasons.AddOrUpdate(e.CloseInfo.Reason.Name, 1, (_, count) => count + 1);
        };
        EndPoint = (IPEndPoint)_server.Listen(new IPEndPoint(address ?? IPAddress.Loopback, port));
    }

    public IPEndPoint EndPoint { get; }

    public Server Peer => _server;

    public long Packets => Interlocked.Read(ref _packets);

    public int Breaks => Volatile.Read(ref _breaks);

    public int Made => Volatile.Read(ref _made);

    public int Lost => Volatile.Read(ref _lost);

    public int Refused => Volatile.Read(ref _refused);

    /// <summary>How often connections ended for which reason.</summary>
    public string Reasons => string.Join(", ", _reasons.OrderByDescending(pair => pair.Value).Select(pair => $"{pair.Key} {pair.Value}"));

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private ValueTask EchoAsync(object? data, PacketContext context)
    {
        Interlocked.Increment(ref _packets);
        if (!Traffic.TryRead(data, out long number) || _next.AddOrUpdate(context.Connection.Id, 1, (_, next) => next + 1) != number + 1)
        {
            Interlocked.Increment(ref _breaks);
            Console.WriteLine($"BREAK at the server: {number} on {context.Connection}");
        }

        return context.ReplyAsync(Traffic.EchoName, data);
    }

    private static async ValueTask HoldAsync(object? data, PacketContext context)
    {
        try
        {
            await Task.Delay(Timeout.Infinite, context.ConnectionClosing).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // As it should be.
        }

        GC.KeepAlive(data);
    }

    // More than a reader that has stopped reading can be sent.
    private async ValueTask FeedAsync(object? data, PacketContext context)
    {
        byte[] piece = new byte[60_000];
        try
        {
            for (int i = 0; i < 2_000; i++)
                await context.ReplyAsync(Traffic.FeedName, piece).ConfigureAwait(false);
        }
        catch (ConnectionClosedException)
        {
            // As it should be.
        }
    }
}
