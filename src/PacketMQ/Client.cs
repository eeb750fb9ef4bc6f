using System.Net;
using System.Net.Sockets;
using PacketMQ.Transports;

namespace PacketMQ;

/// <summary>Makes connections to servers over TCP or Unix domain sockets, to several at once if need be.</summary>
public class Client : ClientPeer
{
    private readonly TlsCredentials? _tls;

    /// <inheritdoc/>
    public Client(PacketRegistry registry, PeerOptions? options = null)
        : base(registry, options)
    {
        Options.Tls?.ValidateForClient();
        _tls = Options.Tls is { } tls ? new TlsCredentials(tls) : null;
    }

    /// <summary>Connects to a server by name or address. Every address that the name has is tried.</summary>
    /// <param name="host">A name or an address.</param>
    /// <param name="port">The TCP port, 1 to 65 535.</param>
    /// <param name="cancellationToken">Gives up, unless the connection is made already: then it is returned.</param>
    /// <returns>The connection, active: packets can be sent.</returns>
    /// <exception cref="ConnectionClosedException">The server can't be reached, or the handshake failed; the reason says which.</exception>
    public Task<Connection> ConnectAsync(string host, int port, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(host);
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, IPEndPoint.MaxPort);
        return ConnectAsync(
            IPAddress.TryParse(host, out IPAddress? address) ? new IPEndPoint(address, port) : new DnsEndPoint(host, port), cancellationToken);
    }

    /// <summary>Connects to a server.</summary>
    /// <param name="endPoint">An <see cref="IPEndPoint"/>, <see cref="DnsEndPoint"/> or <see cref="UnixDomainSocketEndPoint"/>.</param>
    /// <param name="cancellationToken">Gives up, unless the connection is made already: then it is returned.</param>
    /// <exception cref="InvalidOperationException">With TLS: the end point has no name, and <see cref="TlsOptions.TargetHost"/> is not set.</exception>
    /// <inheritdoc cref="ConnectAsync(string, int, CancellationToken)"/>
    public async Task<Connection> ConnectAsync(EndPoint endPoint, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(endPoint);
        TlsHandshake? handshake = _tls is null ? null : new TlsHandshake(_tls, TargetHost(endPoint));
        TransportConnection transport = await OpenAsync(endPoint, cancellationToken).ConfigureAwait(false);
        if (handshake is not null)
            transport = new TlsConnection((SocketConnection)transport, handshake);
        PlainText.Connects(transport.RemoteEndPoint);
        return await ActivateAsync(transport, cancellationToken).ConfigureAwait(false);
    }

    private string TargetHost(EndPoint endPoint) => Options.Tls!.TargetHost ?? endPoint switch
    {
        DnsEndPoint host => host.Host,
        IPEndPoint address => address.Address.ToString(),
        _ => throw new InvalidOperationException(
            $"{endPoint} has no host name that the server could prove; set {nameof(TlsOptions)}.{nameof(TlsOptions.TargetHost)}."),
    };

    private async Task<TransportConnection> OpenAsync(EndPoint endPoint, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(Options.HandshakeTimeout, Options.TimeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await SocketConnector.ConnectAsync(endPoint, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw Unreachable($"{SocketConnector.Name(endPoint)} did not answer within {Options.HandshakeTimeout.TotalSeconds:0.###} s.", exception);
        }
        catch (IOException exception)
        {
            throw Unreachable(exception.Message, exception);
        }
        catch (SocketException exception)
        {
            throw Unreachable($"No connection to {SocketConnector.Name(endPoint)}: {exception.Message}.", exception);
        }
    }

    private static ConnectionClosedException Unreachable(string description, Exception exception)
        => new(new CloseInfo(CloseReason.Unreachable, CloseInitiator.Transport, description) { Exception = exception });
}
