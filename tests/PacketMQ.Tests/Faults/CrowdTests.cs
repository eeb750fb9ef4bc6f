using System.Net.Sockets;
using PacketMQ.Connections;
using PacketMQ.Tests.Conformance;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>What one client, or hundreds, do to a server is not noticed by the others.</summary>
[Collection(nameof(Alone))] // they keep all cores busy, and look at the whole process
public sealed class CrowdTests
{
    // A machine under load may be slow; a server that made everybody wait for one would do so until a time-out, or the end of the test.
    private static readonly TimeSpan Sane = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    [Fact]
    public async Task A_client_that_never_reads_is_closed_and_the_others_do_not_wait_for_it()
    {
        const int bound = 1_000_000;
        await using var crowd = new Crowd(Registries.Sink(), new PeerOptions { MaxPendingSendBytes = 200_000, MaxWaitingSendBytes = bound, SendTimeout = null });
        await crowd.StartAsync(10);
        using Socket deaf = await crowd.OpenSocketAsync();
        deaf.ReceiveBufferSize = 128;
        await deaf.SendAsync((byte[])[.. WireBytes.Init, .. WireBytes.IdMap(true, (Registries.Name, 17), (Crowd.AskName, 18)), .. WireBytes.Finish]);
        await Bounded.UntilAsync(() => crowd.Server.Connections.Length == 11);
        Connection connection = crowd.Server.Connections[^1];

        long before = BufferBudget.Total;
        long most = 0;
        var sends = new List<Task>();
        while (!connection.Closing.IsCancellationRequested && sends.Count < 1_000)
        {
            sends.Add(connection.SendAsync(Registries.Name, new byte[90_000]).AsTask());
            most = Math.Max(most, BufferBudget.Total - before);
            await Task.Yield();
        }

        Assert.Equal(CloseReason.SlowConsumer, (await connection.Closed.Soon()).Reason);
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
        Assert.InRange(most, 1, 2 * (200_000 + bound)); // arrays of the pool are up to twice as large as what is in them
        await crowd.AreAnsweredAsync(20);
        Assert.InRange(await crowd.StopAsync(), TimeSpan.Zero, Sane);
    }

    [Fact]
    public async Task A_flood_of_connects_that_say_nothing_keeps_nobody_from_being_served()
    {
        const int pending = 16;
        await using var crowd = new Crowd(Registries.Sink(), new PeerOptions { MaxPendingHandshakes = pending, HandshakeTimeout = Long });
        await crowd.StartAsync(5);
        var flood = new List<Socket>();
        for (int i = 0; i < 400; i++)
            flood.Add(await crowd.OpenSocketAsync());
        await Bounded.UntilAsync(() => crowd.Server.TurnedAwayConnections == 400 - pending);
        await crowd.AreAnsweredAsync(20);

        flood.ForEach(socket => socket.Dispose());
        await using var client = new Client(Registries.Client((Registries.Name, Registries.Sink()), (Crowd.AskName, Registries.Sink())));
        await Bounded.UntilAsync(() => crowd.Events.Count == 5 + pending);
        foreach (Connection connection in crowd.Events.Connections.Where(connection => connection.State != ConnectionState.Active))
            await connection.Closed.Soon();
        await client.ConnectAsync(crowd.EndPoint).Soon();
        Assert.InRange(await crowd.StopAsync(), TimeSpan.Zero, Sane);
    }

    [Fact]
    public async Task Hundreds_of_resets_at_once_leave_nothing_behind()
    {
        const int count = 300;
        // Opening them all may take longer than a frame may stand still.
        await using var crowd = new Crowd(
            Registries.Sink(), new PeerOptions { MaxPendingHandshakes = null, HandshakeTimeout = Long, MinReceiveRate = null });
        await crowd.StartAsync(5);
        var sockets = new List<Socket>();
        for (int i = 0; i < count; i++)
        {
            Socket socket = await crowd.OpenSocketAsync();
            sockets.Add(socket);
            // A third stays in the handshake, a third is through, a third is in the middle of a packet.
            byte[] bytes = [.. WireBytes.Init, .. WireBytes.IdMap(true, (Registries.Name, 17), (Crowd.AskName, 18)), .. WireBytes.Finish];
            await socket.SendAsync((i % 3) switch
            {
                0 => WireBytes.Init,
                1 => bytes,
                _ => [.. bytes, .. WireBytes.Frame(17, [0xc5, 0x40, 0, .. new byte[0x4000]])[..100]],
            });
        }

        await Bounded.UntilAsync(() => crowd.Server.Connections.Length == 5 + (count * 2 / 3));
        Parallel.ForEach(sockets, socket => socket.Close(timeout: 0));
        await Bounded.UntilAsync(() => crowd.Events.Count == 5 + count);
        await Bounded.UntilAsync(() => crowd.Server.Connections.Length == 5);
        await crowd.AreAnsweredAsync(5);
        await crowd.StopAsync();
        await crowd.Server.StopAsync().Soon();
        await crowd.Events.AssertAllEndedAsync();
    }

    [Fact]
    public async Task Handlers_that_throw_hang_and_block_harm_nobody_else()
    {
        using var block = new ManualResetEventSlim();
        var hang = new TaskCompletionSource();
        int entered = 0;
        var packet = Packet.Create(async (data, _) =>
        {
            Interlocked.Increment(ref entered);
            switch (data)
            {
                case "throw":
                    throw new InvalidOperationException("A handler failed.");
                case "hang":
                    await hang.Task;
                    break;
                case "block":
                    block.Wait(Bounded.Limit);
                    break;
            }
        });
        await using var crowd = new Crowd(packet);
        await crowd.StartAsync(99);
        int failed = 0;
        crowd.Server.HandlerFailed += (_, _) => Interlocked.Increment(ref failed);
        await using var faulty = new Client(Registries.Client((Registries.Name, Registries.Sink()), (Crowd.AskName, Registries.Sink())));
        string[] kinds = ["throw", "hang", "hang", "throw", "block"];
        foreach (string kind in kinds)
        {
            Connection connection = await faulty.ConnectAsync(crowd.EndPoint).Soon();
            await connection.SendAsync(Registries.Name, kind);
            await connection.SendAsync(Registries.Name, kind);
        }

        // The first packet of each; the second one of those that throw.
        await Bounded.UntilAsync(() => Volatile.Read(ref entered) == kinds.Length + 2 && Volatile.Read(ref failed) == 4);
        await crowd.AreAnsweredAsync(20);
        Assert.Equal(99 + kinds.Length, crowd.Server.Connections.Length);
        Assert.InRange(await crowd.StopAsync(), TimeSpan.Zero, Sane);
        block.Set();
        hang.SetResult();
    }
}
