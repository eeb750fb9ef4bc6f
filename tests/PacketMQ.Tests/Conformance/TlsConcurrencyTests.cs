using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Conformance;

/// <summary>How many TLS handshakes compute at the same time, and who takes a place among them.</summary>
public sealed class TlsConcurrencyTests
{
    private static readonly SslApplicationProtocol PacketMq = new("packetmq/1");

    [Fact]
    public async Task Silent_connections_take_no_place_from_those_who_speak()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server, tls: TestTls.ForServers with { MaxConcurrentHandshakes = 1, RequireClientCertificate = false, TrustedRoots = null });
        var silent = new List<Socket>();
        for (int i = 0; i < 5; i++)
        {
            silent.Add(await scene.OpenAsync());
            if (i % 2 == 0)
                await silent[i].SendAsync(new byte[] { 0x16, 0x03, 0x01 }, TestContext.Current.CancellationToken);
        }

        for (int i = 0; i < 3; i++)
        {
            using Socket raw = await scene.OpenAsync();
            using SslStream ssl = await scene.ShakeHandsAsync(raw, PacketMq);
        }

        silent.ForEach(socket => socket.Dispose());
    }

    [Fact]
    public async Task No_more_handshakes_than_allowed_compute_at_once()
    {
        int running = 0;
        int most = 0;
        int entered = 0;
        using var go = new SemaphoreSlim(0);
        await using var meeting = new TlsMeeting(
            TestTls.ForServers with
            {
                MaxConcurrentHandshakes = 2,
                ValidateCertificate = _ =>
                {
                    lock (go)
                        most = Math.Max(most, ++running);
                    Interlocked.Increment(ref entered);
                    go.Wait(TestContext.Current.CancellationToken);
                    lock (go)
                        running--;
                    return true;
                },
            }, TestTls.ForClients with { MaxConcurrentHandshakes = 8 });
        Task<Connection>[] connecting = [.. Enumerable.Range(0, 6).Select(_ => meeting.Client.ConnectAsync(meeting.EndPoint))];
        // One after the other is let through, so that whoever should wait has every chance not to.
        for (int through = 0; through < connecting.Length; through++)
        {
            await Bounded.UntilAsync(() => Volatile.Read(ref entered) >= Math.Min(through + 2, connecting.Length));
            go.Release();
            await Bounded.UntilAsync(() => connecting.Count(one => one.IsCompleted) > through);
        }

        await Task.WhenAll(connecting).Soon();
        Assert.Equal(2, Volatile.Read(ref most));
    }

    [Fact]
    public async Task Handshakes_compute_on_threads_of_their_own_and_the_rest_runs_in_the_thread_pool()
    {
        var computing = new ConcurrentQueue<Thread>();
        bool Note(X509Certificate2 certificate)
        {
            computing.Enqueue(Thread.CurrentThread);
            return true;
        }

        (TransportConnection left, TransportConnection right) = await Transports.SocketPair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0));
        await using var client = new TlsConnection(
            (SocketConnection)left, new TlsHandshake(new TlsCredentials(TestTls.ForClients with { ValidateCertificate = Note }), TestTls.HostName));
        await using var server = new TlsConnection(
            (SocketConnection)right, new TlsHandshake(new TlsCredentials(TestTls.ForServers with { ValidateCertificate = Note }), targetHost: null));
        Thread[] opened = await Task.WhenAll(Task.Run(() => OpenAsync(client)), Task.Run(() => OpenAsync(server))).Soon();
        Assert.Equal(2, computing.Count);
        Assert.All(computing, thread => Assert.False(thread.IsThreadPoolThread));
        Assert.All(opened, thread => Assert.True(thread.IsThreadPoolThread));

        static async Task<Thread> OpenAsync(TlsConnection connection)
        {
            Assert.Null(await connection.OpenAsync().ConfigureAwait(false));
            return Thread.CurrentThread;
        }
    }

    [Fact]
    public async Task A_process_has_only_so_many_threads_for_handshakes_and_then_the_thread_pool_stands_in()
    {
        var threads = new TlsThreads(int.MaxValue);
        var computing = new ConcurrentBag<Thread>();
        using var go = new ManualResetEventSlim();
        int all = TlsThreads.MostInProcess + 1;
        Task turns = Task.WhenAll(Enumerable.Range(0, all).Select(_ => TakeTurnAsync()));
        await Bounded.UntilAsync(() => computing.Count == all);
        int own = computing.Count(thread => !thread.IsThreadPoolThread);
        go.Set();
        await turns.Soon();
        Assert.InRange(own, 1, TlsThreads.MostInProcess); // handshakes of other tests take some of the threads
        await Bounded.UntilAsync(() => threads.Count == 0);

        async Task TakeTurnAsync()
        {
            var turn = new TlsTurn(threads);
            await turn.BeginAsync().ConfigureAwait(false);
            computing.Add(Thread.CurrentThread);
            if (!Thread.CurrentThread.IsThreadPoolThread)
                go.Wait(Bounded.Limit);
            turn.End();
        }
    }

    [Fact]
    public async Task Turns_come_in_order_and_the_threads_go_when_nobody_comes()
    {
        var threads = new TlsThreads(most: 1);
        var come = new List<int>();
        await Task.WhenAll(Enumerable.Range(0, 100).Select(TakeTurnAsync)).Soon();
        Assert.Equal(Enumerable.Range(0, 100), come);
        Assert.Equal(1, threads.Count);
        await Bounded.UntilAsync(() => threads.Count == 0);
        await TakeTurnAsync(100).Soon();

        async Task TakeTurnAsync(int number)
        {
            var turn = new TlsTurn(threads);
            await turn.BeginAsync().ConfigureAwait(false);
            come.Add(number); // one thread: one at a time
            turn.End();
            await Task.Yield();
        }
    }
}
