using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>The application blocks the threads of the pool.</summary>
[Collection(nameof(Alone))] // it takes the pool away from every other test
public sealed class StarvationTests
{
    // The system's clock, because its timers need the pool too. So long that a busy machine gets there before, and shorter than the starvation.
    private static readonly TimeSpan TimeOut = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Starved = TimeSpan.FromSeconds(8);

    [Fact]
    public async Task A_starved_thread_pool_blames_nobody_and_then_packets_come_in_order()
    {
        var inbox = new Inbox();
        var options = new PeerOptions { HandshakeTimeout = TimeOut, MinReceiveRateGracePeriod = TimeOut, SendTimeout = TimeOut };
        await using var server = new Server(Registries.Server(inbox.Packet), options);
        var ends = new ConcurrentQueue<CloseInfo>();
        server.ConnectionLost += (_, lost) => ends.Enqueue(lost.CloseInfo);
        server.ConnectionRefused += (_, refused) => ends.Enqueue(refused.CloseInfo);
        var endPoint = (IPEndPoint)server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await using var client = new Client(Registries.Client(Registries.Sink()));
        Connection ordinary = await client.ConnectAsync(endPoint, TestContext.Current.CancellationToken).Soon();
        byte[] packets = [.. Enumerable.Range(0, 50).SelectMany(number => PeerBytes.Frame(17, (byte)number))];
        byte[] handshake = PeerBytes.Handshake(true, (Registries.Name, 17));

        // One that reads nothing yet, one inside a packet, one in its handshake.
        using Socket slow = Open(endPoint, handshake);
        using Socket inside = Open(endPoint, [.. handshake, .. packets[..5]]);
        await Bounded.UntilAsync(() => server.Connections.Length == 3 && server.Connections.Any(connection => connection.IncompleteBytes == 5));
        Connection deaf = server.Connections.Single(connection => connection.RemoteEndPoint!.Equals(slow.LocalEndPoint));
        Task[] sends = [.. Enumerable.Range(0, 80).Select(_ => deaf.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() => deaf.IsWaitingForTransport);
        using Socket late = Open(endPoint, PeerBytes.Init);

        await StarveAsync(() =>
        {
            // All of them do what they should, and only this process does not look.
            inside.Send(packets.AsSpan(5));
            late.Send([.. handshake.AsSpan(PeerBytes.Init.Length), .. packets]);
            byte[] buffer = new byte[65_536];
            while (slow.Poll(TimeSpan.FromSeconds(1), SelectMode.SelectRead))
                slow.Receive(buffer);
        });

        Assert.Empty(ends);
        for (int number = 0; number < 50; number++)
            await ordinary.SendAsync(Registries.Name, number, TestContext.Current.CancellationToken).Soon();
        var next = new Dictionary<Connection, long>();
        for (int i = 0; i < 150; i++)
        {
            (object? data, PacketContext context) = await inbox.NextWithContextAsync();
            long expected = next.GetValueOrDefault(context.Connection);
            Assert.Equal(expected, data);
            next[context.Connection] = expected + 1;
        }

        Task sent = Task.WhenAll(sends);
        while (!sent.IsCompleted)
            await slow.ReceiveAsync(new byte[65_536], SocketFlags.None, TestContext.Current.CancellationToken).AsTask().Soon();
        await sent;
        Assert.Empty(ends);
        Assert.Equal(4, server.Connections.Length);
        Assert.All(server.Connections.Append(ordinary), connection => Assert.False(connection.Closing.IsCancellationRequested));
    }

    // Items of the pool that wait, more than it makes new threads meanwhile, in front of all that comes later. What goes on runs on a thread that is
    // not the pool's, and begins when no thread of the pool is left.
    private static async Task StarveAsync(Action others)
    {
        const int count = 1_000;
        using var release = new ManualResetEventSlim();
        using var ended = new CountdownEvent(count);
        for (int i = 0; i < count; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                static state =>
                {
                    state.release.Wait();
                    state.ended.Signal();
                },
                (release, ended), preferLocal: false);
        }

        var over = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        bool hasTurn = false;
        ThreadPool.UnsafeQueueUserWorkItem(_ => Volatile.Write(ref hasTurn, true), null);
        var thread = new Thread(() =>
        {
            Thread.Sleep(500);
            long begun = TimeProvider.System.GetTimestamp();
            others();
            Thread.Sleep(TimeSpan.FromTicks(Math.Max(0, (Starved - TimeProvider.System.GetElapsedTime(begun)).Ticks)));
            bool wasStarved = !Volatile.Read(ref hasTurn);
            release.Set();
            ended.Wait();
            over.SetResult(wasStarved);
        });
        thread.Start();
        Assert.True(await over.Task.Soon());
    }

    private static Socket Open(IPEndPoint endPoint, byte[] bytes)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveBufferSize = 4_096 };
        socket.Connect(endPoint);
        socket.Send(bytes);
        return socket;
    }
}
