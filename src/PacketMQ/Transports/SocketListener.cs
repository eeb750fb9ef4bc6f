using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>
/// Accepts TCP or Unix domain socket connections. One accept at a time; disposing from any thread ends a pending one with an
/// <see cref="ObjectDisposedException"/> or a <see cref="SocketException"/>.
/// </summary>
internal sealed class SocketListener : IAsyncDisposable, IDisposable
{
    private readonly Socket _socket;
    private string? _boundFile;

    private SocketListener(Socket socket) => _socket = socket;

    /// <summary>Whether there is room for a client; if not, it is closed before anything is made for it. May say a last word on the socket.</summary>
    public Func<Socket, bool> Admits { get; set; } = static _ => true;

    /// <summary>Where clients can connect to: with the port that the system has chosen if none was asked for.</summary>
    public EndPoint LocalEndPoint => _socket.LocalEndPoint!;

    /// <summary>Listens. IPv6 "any" takes IPv4 clients too. A Unix socket's file that nobody listens on any more is replaced.</summary>
    /// <exception cref="SocketException">The address is taken, or is not this machine's.</exception>
    public static SocketListener Bind(EndPoint endPoint, int backlog)
    {
        if (endPoint is UnixDomainSocketEndPoint unixEndPoint)
            UnixSocketFile.RemoveIfStale(unixEndPoint);
        ProtocolType protocol = endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp;
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, protocol);
        var listener = new SocketListener(socket);
        try
        {
            if (endPoint is IPEndPoint { Address: var address } && address.Equals(IPAddress.IPv6Any))
                socket.DualMode = true;
            if (endPoint is UnixDomainSocketEndPoint unix)
            {
                UnixListenEndPoint.Bind(socket, unix);
                listener._boundFile = UnixSocketFile.PathOf(unix);
            }
            else
            {
                socket.Bind(endPoint);
            }

            socket.Listen(backlog);
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>Listens on every address of this machine, of both families where there is IPv6.</summary>
    /// <exception cref="SocketException">The port is taken.</exception>
    public static SocketListener BindAnyAddress(int port, int backlog)
    {
        if (Socket.OSSupportsIPv6)
        {
            try
            {
                return Bind(new IPEndPoint(IPAddress.IPv6Any, port), backlog);
            }
            catch (SocketException exception) when (exception.SocketErrorCode
                is SocketError.AddressFamilyNotSupported or SocketError.AddressNotAvailable or SocketError.ProtocolNotSupported)
            {
                // Compiled in but switched off.
            }
        }

        return Bind(new IPEndPoint(IPAddress.Any, port), backlog);
    }

    /// <summary>The next connection. A client that has gone before its turn is passed over.</summary>
    /// <exception cref="SocketException">
    /// The system can't accept now, for want of descriptors (<see cref="SocketError.TooManyOpenSockets"/>) or memory, or got one of the last
    /// descriptors for the client, which is cut off then. The listener is still good: try again a little later. Or at once, if it
    /// <see cref="IsFaultOfOneClient"/>.
    /// </exception>
    public async ValueTask<TransportConnection> AcceptAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Socket? socket = null;
            bool isOneOfTheLast = false;
            try
            {
                socket = await _socket.AcceptAsync(cancellationToken).ConfigureAwait(false);
                isOneOfTheLast = DescriptorLimit.IsAlmostReachedBy(socket.Handle);
                if (!isOneOfTheLast && Admits(socket))
                    return new SocketConnection(socket);
                socket.Dispose();
            }
            catch (SocketException) when (socket is not null)
            {
                socket.Dispose();
            }
            catch when (socket is not null)
            {
                socket.Dispose();
                throw;
            }

            if (isOneOfTheLast)
                throw new SocketException((int)SocketError.TooManyOpenSockets);
        }
    }

    /// <summary>
    /// Whether an error of accepting concerns only the client that would have been the next, which the system has let go: what had befallen it
    /// while it waited (accept(2), "Error handling").
    /// </summary>
    public static bool IsFaultOfOneClient(Exception exception)
        => exception is SocketException
        {
            SocketErrorCode: SocketError.ConnectionAborted or SocketError.ConnectionReset or SocketError.TimedOut or SocketError.NetworkDown
                or SocketError.NetworkUnreachable or SocketError.HostDown or SocketError.HostUnreachable or SocketError.ProtocolOption
                or SocketError.OperationNotSupported,
        };

    /// <summary>Stops listening; a Unix socket's file goes with it.</summary>
    public void Dispose()
    {
        // First: as long as the file is there, nobody else can have bound the same path.
        if (Interlocked.Exchange(ref _boundFile, null) is { } path)
            UnixSocketFile.Remove(path);
        _socket.Dispose();
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }
}
