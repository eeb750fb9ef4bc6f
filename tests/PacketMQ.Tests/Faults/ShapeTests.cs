using System.Collections.Concurrent;
using System.Net;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>A hundred clients and ten thousand packets, in the four shapes that traffic has. Each arrives once, in order.</summary>
[Collection(nameof(Alone))] // they keep all cores busy
public sealed class ShapeTests
{
    private const int Clients = 100;
    private const int Packets = 100;

    private readonly ConcurrentDictionary<(long Sender, long Receiver), long> _next = new();
    private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _arrived;

    [Fact]
    public Task To_the_server() => RunAsync(
        Packet.Create((data, _) => Take(data, 0)), Registries.Sink(),
        (_, clients) => Task.WhenAll(clients.Select((connection, i) => SendAllAsync(connection, i))));

    [Fact]
    public Task From_the_server() => RunAsync(
        Registries.Sink(), Packet.Create((data, context) => Take(data, context.Connection.Id)),
        async (server, _) =>
        {
            for (int number = 0; number < Packets; number++)
            {
                foreach (Connection connection in server.Connections)
                    await connection.SendAsync(Registries.Name, new object[] { 0, number });
            }
        });

    [Fact]
    public Task There_and_back() => RunAsync(
        Packet.Create((data, context) => context.ReplyAsync(Registries.Name, data)), Packet.Create((data, context) => Take(data, context.Connection.Id)),
        (_, clients) => Task.WhenAll(clients.Select((connection, i) => SendAllAsync(connection, i))));

    [Fact]
    public Task From_each_client_through_the_server_to_another() => RunAsync(
        Packet.Create((data, context) =>
        {
            var connections = context.Peer.Connections;
            int receiver = (int)(((long)((object?[])data!)[0]! + 1) % connections.Length);
            return connections[receiver].SendAsync(Registries.Name, data);
        }),
        Packet.Create((data, context) => Take(data, context.Connection.Id)),
        (_, clients) => Task.WhenAll(clients.Select((connection, i) => SendAllAsync(connection, i))));

    private static async Task SendAllAsync(Connection connection, int sender)
    {
        await Task.Yield();
        for (int number = 0; number < Packets; number++)
            await connection.SendAsync(Registries.Name, new object[] { sender, number });
    }

    private async Task RunAsync(Packet onServer, Packet onClient, Func<Server, Connection[], Task> send)
    {
        await using var server = new Server(Registries.Server(onServer));
        await using var client = new Client(Registries.Client(onClient));
        EndPoint endPoint = server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        Connection[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => client.ConnectAsync(endPoint))).Soon();
        await Bounded.UntilAsync(() => server.Connections.Length == Clients);
        await send(server, clients).Soon();
        await _all.Task.Soon();
        Assert.Equal(Clients * Packets, _arrived);
        Assert.Equal((Clients, Clients), (server.Connections.Length, client.Connections.Length));
    }

    private void Take(object? data, long receiver)
    {
        var parts = (object?[])data!;
        (long sender, long number) = ((long)parts[0]!, (long)parts[1]!);
        if (_next.AddOrUpdate((sender, receiver), 1, (_, expected) => expected + 1) != number + 1)
            _all.TrySetException(new InvalidOperationException($"{number} of {sender} came to {receiver} in the place of {_next[(sender, receiver)] - 1}."));
        if (Interlocked.Increment(ref _arrived) == Clients * Packets)
            _all.TrySetResult();
    }
}
