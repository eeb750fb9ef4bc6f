using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Tests.Support;

/// <summary>A TCP proxy between a real client and a real server that does harm to the stream, at a place counted in frames and bytes.</summary>
/// <remarks>What a frame is depends on what runs through it: one of PacketMQ, or a record of TLS around them.</remarks>
internal sealed class ChaosProxy : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly ConcurrentBag<ProxiedStream> _streams = [];
    private readonly EndPoint _target;
    private readonly bool _isTls;
    private readonly Task _accepting;

    public ChaosProxy(EndPoint target, bool isTls = false)
    {
        _target = target;
        _isTls = isTls;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(512);
        EndPoint = _listener.LocalEndPoint!;
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>Where clients connect to.</summary>
    public EndPoint EndPoint { get; }

    /// <summary>What happens to the connections from now on.</summary>
    public Fault? Fault { get; set; }

    /// <summary>The size of the next piece that is passed on; asked again and again. Null: as it comes.</summary>
    public Func<int>? SliceSize { get; set; }

    /// <summary>The stream of the last connection.</summary>
    public ProxiedStream? Last { get; private set; }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _accepting;
        foreach (ProxiedStream stream in _streams)
            await stream.DisposeAsync();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync();
            }
            catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
            {
                return;
            }

            var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await server.ConnectAsync(_target);
            Last = new ProxiedStream(client, server, Fault, SliceSize, _isTls);
            _streams.Add(Last);
        }
    }
}
