using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>Connects to a listening TCP or Unix domain socket.</summary>
internal static class SocketConnector
{
    /// <summary>How long one address of a host that has more of them may keep us waiting.</summary>
    public static readonly TimeSpan AddressTimeout = TimeSpan.FromSeconds(2);

    /// <summary>
    /// Connects. The addresses of a host name are tried in the resolver's order until one answers; all but the last must do so
    /// within <see cref="AddressTimeout"/>.
    /// </summary>
    /// <exception cref="IOException">No connection: the message lists what was tried, the inner exception is the last failure.</exception>
    public static async ValueTask<TransportConnection> ConnectAsync(EndPoint endPoint, CancellationToken cancellationToken)
    {
        EndPoint[] candidates = endPoint is DnsEndPoint host
            ? await ResolveAsync(host, cancellationToken).ConfigureAwait(false)
            : [endPoint];
        return await ConnectAsync(candidates, Name(endPoint), TimeProvider.System, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Connects to the first of the candidates, of which there is at least one, that answers.</summary>
    public static async ValueTask<TransportConnection> ConnectAsync(
        EndPoint[] candidates, string name, TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        var failures = new List<string>();
        for (int i = 0; ; i++)
        {
            bool isLast = i == candidates.Length - 1;
            using CancellationTokenSource? timeout = isLast ? null : new CancellationTokenSource(AddressTimeout, timeProvider);
            using CancellationTokenSource? either = timeout is null
                ? null
                : CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
            try
            {
                return await ConnectOnceAsync(candidates[i], either?.Token ?? cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException exception)
            {
                failures.Add($"{candidates[i]} ({exception.Message})");
                if (isLast)
                    throw new IOException($"No connection to {name}: tried {string.Join(", ", failures)}.", exception);
            }
            catch (OperationCanceledException) when (timeout is { IsCancellationRequested: true }
                && !cancellationToken.IsCancellationRequested)
            {
                failures.Add($"{candidates[i]} (no answer within {AddressTimeout.TotalSeconds} s)");
            }
        }
    }

    private static async ValueTask<TransportConnection> ConnectOnceAsync(EndPoint endPoint, CancellationToken cancellationToken)
    {
        ProtocolType protocol = endPoint is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp;
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, protocol);
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return new SocketConnection(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static async ValueTask<EndPoint[]> ResolveAsync(DnsEndPoint host, CancellationToken cancellationToken)
    {
        try
        {
            IPAddress[] addresses = await Dns.GetHostAddressesAsync(host.Host, host.AddressFamily, cancellationToken)
                .ConfigureAwait(false);
            if (addresses.Length > 0)
                return [.. addresses.Select(address => new IPEndPoint(address, host.Port))];
            throw new SocketException((int)SocketError.HostNotFound);
        }
        catch (SocketException exception)
        {
            throw new IOException($"No address for {Name(host)}: {exception.Message}.", exception);
        }
    }

    /// <summary>The end point as people write it: a <see cref="DnsEndPoint"/> would put its address family in front.</summary>
    public static string Name(EndPoint endPoint)
        => endPoint is DnsEndPoint host ? $"{host.Host}:{host.Port}" : endPoint.ToString()!;
}
