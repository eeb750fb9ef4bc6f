using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class ConnectionStateTests
{
    [Fact]
    public async Task The_state_of_a_connection_tells_how_far_it_is()
    {
        var seen = new List<ConnectionState>();
        await using var server = new MemoryServer(new PacketRegistry());
        await using var client = new MemoryClient(new PacketRegistry(adaptPacketIds: true));
        client.ConnectionMade += (_, made) => seen.Add(made.Connection.State);
        client.ConnectionLost += (_, lost) => seen.Add(lost.Connection.State);

        Connection connection = await client.ConnectAsync(server, TestContext.Current.CancellationToken).Soon();
        seen.Add(connection.State);
        await client.DisconnectAsync(cancellationToken: TestContext.Current.CancellationToken).Soon();
        seen.Add(connection.State);

        Assert.Equal([ConnectionState.Active, ConnectionState.Active, ConnectionState.Closing, ConnectionState.Closed], seen);
    }
}
