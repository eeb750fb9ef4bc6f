using System.Net;
using PacketMQ.Connections;
using PacketMQ.Transports;

namespace PacketMQ;

/// <summary>Takes connections on any number of ports and Unix domain sockets.</summary>
public class Server : Peer
{
    private readonly Lock _gate = new();
    private readonly List<Acceptor> _acceptors = [];
    private readonly TlsCredentials? _tls;
    private bool _isStopped;

    /// <inheritdoc/>
    public Server(PacketRegistry registry, PeerOptions? options = null)
        : base(registry, options)
    {
        Options.Tls?.ValidateForServer();
        _tls = Options.Tls is { } tls ? new TlsCredentials(tls) : null;
    }

    /// <summary>Where the server listens, with the real port numbers.</summary>
    public IReadOnlyList<EndPoint> EndPoints
    {
        get
        {
            lock (_gate)
                return [.. _acceptors.Select(acceptor => acceptor.LocalEndPoint)];
        }
    }

    /// <summary>Listens on a TCP port of all interfaces, IPv6 and IPv4. Connections are taken from now on. May be called several times.</summary>
    /// <param name="port">The port; 0 picks a free one.</param>
    /// <returns>Where it listens: see its <see cref="IPEndPoint.Port"/>.</returns>
    /// <exception cref="System.Net.Sockets.SocketException">The port is taken or not allowed.</exception>
    public IPEndPoint Listen(int port)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, IPEndPoint.MinPort);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, IPEndPoint.MaxPort);
        return (IPEndPoint)Listen(SocketListener.BindAnyAddress(port, Options.AcceptBacklog));
    }

    /// <summary>Listens on one end point. Connections are taken from now on. May be called several times.</summary>
    /// <param name="endPoint">An <see cref="IPEndPoint"/> or a <see cref="System.Net.Sockets.UnixDomainSocketEndPoint"/>.</param>
    /// <returns>Where it listens, with the real port number.</returns>
    /// <exception cref="System.Net.Sockets.SocketException">The end point is taken or not allowed.</exception>
    public EndPoint Listen(EndPoint endPoint)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        return Listen(SocketListener.Bind(endPoint, Options.AcceptBacklog));
    }

    /// <inheritdoc/>
    private protected override async Task StopListeningAsync()
    {
        Acceptor[] acceptors;
        lock (_gate)
        {
            _isStopped = true;
            acceptors = [.. _acceptors];
            _acceptors.Clear();
        }

        foreach (Acceptor acceptor in acceptors)
            await acceptor.DisposeAsync().ConfigureAwait(false);
    }

    private EndPoint Listen(SocketListener listener)
    {
        Acceptor acceptor;
        lock (_gate)
        {
            if (_isStopped)
            {
                listener.Dispose();
                throw Stopped();
            }

            listener.Admits = new Door(Admission, speaksInPlainText: _tls is null).Admits;
            acceptor = new Acceptor(listener.LocalEndPoint, listener.AcceptAsync, listener, BeginAccepted, Options.TimeProvider, Logger);
            _acceptors.Add(acceptor);
        }

        PlainText.Listens(acceptor.LocalEndPoint); // outside: the application's logger may ask the server something
        return acceptor.LocalEndPoint;
    }

    private Connection? BeginAccepted(TransportConnection transport)
        => Begin(_tls is null ? transport : new TlsConnection((SocketConnection)transport, new TlsHandshake(_tls, targetHost: null)));
}
