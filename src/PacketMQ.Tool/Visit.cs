using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary>A client that comes without packets of its own and takes whatever names the server lists.</summary>
internal sealed class Visit : IAsyncDisposable
{
    private readonly Client _client;

    private Visit(Client client, Connection connection) => (_client, Connection) = (client, connection);

    /// <summary>The connection, active when the visit began.</summary>
    public Connection Connection { get; }

    /// <summary>Connects.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="report">Is told how the connection fares.</param>
    /// <param name="receive">Called for each packet that arrives, in order.</param>
    /// <param name="options">What else the caller wants of its client.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="ConnectionClosedException">There was no way, or the server refused.</exception>
    public static async Task<Visit> BeginAsync(
        ServerAddress address, Report report, Action<object?, PacketContext> receive, PeerOptions options, CancellationToken cancellationToken)
    {
        var client = new Client(new PacketRegistry(adaptPacketIds: true), options with
        {
            PacketMismatch = PacketMismatch.Allow,
            FallbackPacket = Packet.Create(receive),
        });
        bool wasRefused = false;
        client.ConnectionMade += (_, made) => report.Made(made.Connection);
        client.ConnectionLost += (_, lost) => report.Lost(lost.Connection, lost.CloseInfo);
        client.ConnectionRefused += (_, refused) =>
        {
            wasRefused = true;
            report.Refused(refused.Connection, refused.CloseInfo);
        };
        try
        {
            return new Visit(client, await client.ConnectAsync(address.ToEndPoint(), cancellationToken));
        }
        catch (Exception exception)
        {
            await client.DisposeAsync();
            // Where nobody answers there is no connection whose end could have been reported.
            if (!wasRefused && exception is ConnectionClosedException closed)
                report.Refused(null, closed.CloseInfo);
            throw;
        }
    }

    /// <summary>Says goodbye, if nobody has yet.</summary>
    public ValueTask DisposeAsync() => _client.DisposeAsync();
}
