using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Tests.Conformance;

/// <summary>A real <see cref="Server"/> or <see cref="Client"/> on TCP, to which bare sockets play the other side.</summary>
internal sealed class PeerUnderTest : IAsyncDisposable
{
    private readonly ConcurrentDictionary<(EndPoint Ours, EndPoint Theirs), Fate> _fates = new();
    private readonly EndPoint? _listening;

    public PeerUnderTest(Side side, PacketRegistry registry, PeerOptions? options = null)
    {
        Side = side;
        if (side == Side.Server)
        {
            var server = new Server(registry, options);
            _listening = server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
            Peer = server;
        }
        else
        {
            Peer = new Client(registry, options);
        }

        Peer.ConnectionMade += (_, e) => FateOf(e.Connection).Made.TrySetResult(e.Connection);
        Peer.ConnectionLost += (_, e) => FateOf(e.Connection).Ended.TrySetResult(e.CloseInfo);
        Peer.ConnectionRefused += (_, e) =>
        {
            FateOf(e.Connection).Made.TrySetException(new ConnectionClosedException(e.CloseInfo));
            FateOf(e.Connection).Ended.TrySetResult(e.CloseInfo);
        };
    }

    public Side Side { get; }

    public Peer Peer { get; }

    /// <summary>Opens one more connection.</summary>
    public async Task<Encounter> OpenAsync()
    {
        if (_listening is not null)
        {
            RawPeer connected = await RawPeer.ConnectAsync(_listening);
            return Encounter(connected, Task.CompletedTask);
        }

        using Socket listener = RawPeer.Listen();
        Task connecting = ((Client)Peer).ConnectAsync(listener.LocalEndPoint!);
        RawPeer accepted = await RawPeer.AcceptAsync(listener);
        return Encounter(accepted, connecting);
    }

    public ValueTask DisposeAsync() => Peer.DisposeAsync();

    private Encounter Encounter(RawPeer raw, Task connecting)
    {
        (EndPoint, EndPoint) key = (raw.RemoteEndPoint, raw.LocalEndPoint);
        return new(raw, _fates.GetOrAdd(key, _ => new Fate()), connecting, () => _fates.TryRemove(key, out _));
    }

    private Fate FateOf(Connection connection)
        => _fates.GetOrAdd((connection.LocalEndPoint!, connection.RemoteEndPoint!), _ => new Fate());
}

/// <summary>What the peer under test says of one connection.</summary>
internal sealed class Fate
{
    public TaskCompletionSource<Connection> Made { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource<CloseInfo> Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>One connection between a bare socket and the peer under test.</summary>
internal sealed class Encounter(RawPeer raw, Fate fate, Task connecting, Action forget) : IAsyncDisposable
{
    public RawPeer Raw => raw;

    /// <summary>The connection, once the peer under test has raised "connection made" for it.</summary>
    public Task<Connection> MadeAsync() => fate.Made.Task.WaitAsync(RawPeer.Patience);

    public bool WasMade => fate.Made.Task.IsCompletedSuccessfully;

    public bool HasEnded => fate.Ended.Task.IsCompleted;

    /// <summary>How it ended, by the event of the peer under test; a client's caller must have been told the same.</summary>
    public async Task<CloseInfo> EndedAsync()
    {
        CloseInfo info = await fate.Ended.Task.WaitAsync(RawPeer.Patience);
        try
        {
            await connecting.WaitAsync(RawPeer.Patience);
        }
        catch (ConnectionClosedException exception)
        {
            Assert.Same(info, exception.CloseInfo);
        }

        return info;
    }

    public async ValueTask DisposeAsync()
    {
        await raw.DisposeAsync();
        try
        {
            await connecting.WaitAsync(RawPeer.Patience);
        }
        catch (ConnectionClosedException)
        {
            // A refused connection is what most of these tests are about.
        }

        forget();
    }
}
