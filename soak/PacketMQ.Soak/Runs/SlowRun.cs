using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;

namespace PacketMQ.Soak.Runs;

/// <summary>
/// Clients that never read, with the smallest receive buffers there are, are sent 100 MB each, beside 99 that ask and are answered
/// (fault 9). At first by a sender that awaits each packet, then by one that awaits none.
/// </summary>
internal static class SlowRun
{
    private const int Others = 99;
    private const int Deaf = 20;
    private const int PieceBytes = 65_000; // one packet can have 99 997; the pool's arrays have 65 536, and so little of them is left empty
    private const int Pieces = 100_000_000 / PieceBytes;

    public static async Task RunAsync(TargetTable targets)
    {
        var options = new PeerOptions();
        await using var server = new SoakServer(options);
        using ChildProcess probe = await ChildProcess.StartAsync("probe", server.EndPoint, Others).ConfigureAwait(false);
        var sockets = new List<Socket>();
        HashSet<Connection> others = [.. server.Peer.Connections];
        await Task.Delay(3_000).ConfigureAwait(false);
        await P99Async().ConfigureAwait(false);
        await Task.Delay(8_000).ConfigureAwait(false);
        double usual = await P99Async().ConfigureAwait(false);

        await AwaitingAsync().ConfigureAwait(false);
        await HastyAsync(1, looksAtMemory: false).ConfigureAwait(false);
        await HastyAsync(Deaf, looksAtMemory: false).ConfigureAwait(false);
        await HastyAsync(Deaf, looksAtMemory: true).ConfigureAwait(false); // which takes a collection, and that nobody's time is measured
        Console.WriteLine($"{server.Reasons}");
        sockets.ForEach(socket => socket.Dispose());
        targets.Exactly("… of the others that were harmed", probe.Complaints + Others - server.Peer.Connections.Length, 0);

        async Task AwaitingAsync()
        {
            Connection[] deaf = await ConnectAsync(Deaf).ConfigureAwait(false);
            double before = Heap();
            await P99Async().ConfigureAwait(false);
            byte[] piece = new byte[PieceBytes]; // one for all: it is the sender's, and not what the library holds
            long begun = Stopwatch.GetTimestamp();
            int sent = 0;
            Task<double[]> sending = Task.WhenAll(deaf.Select(connection => Task.Run(async () =>
            {
                try
                {
                    for (int i = 0; i < Pieces; i++)
                    {
                        await connection.SendAsync(Traffic.FeedName, piece).ConfigureAwait(false);
                        Interlocked.Increment(ref sent);
                    }
                }
                catch (ConnectionClosedException)
                {
                    return Stopwatch.GetElapsedTime(begun).TotalSeconds;
                }

                return double.PositiveInfinity;
            })));
            await Task.Delay(5_000).ConfigureAwait(false);
            double slowed = await P99Async().ConfigureAwait(false);
            double held = (Heap() - before) / Deaf;
            double[] given = await sending.ConfigureAwait(false);
            Console.WriteLine($"awaited sends: {sent * (double)PieceBytes / Deaf / 1e6:0.00} MB went to each that does not read; p99 of the others {usual:0.000} -> {slowed:0.000} ms; held for each {held / 1e6:0.000} MB");
            targets.AtMost($"{Deaf} clients that never read, each packet awaited: p99 of {Others} others against the usual one", slowed / usual, 2, "×");
            targets.AtMost("… managed memory for each of them", held / 1e6, options.MaxPendingSendBytes * 1.1 / 1e6, "MB");
            targets.AtMost("… the last is closed, as `SlowConsumer`, after the first packet by", given.Max(), options.SendTimeout!.Value.TotalSeconds + 2, "s");
            targets.Exactly("… closed sooner than after `SendTimeout`", given.Count(seconds => seconds < options.SendTimeout.Value.TotalSeconds), 0);
        }

        async Task HastyAsync(int count, bool looksAtMemory)
        {
            Connection[] deaf = await ConnectAsync(count).ConfigureAwait(false);
            double before = looksAtMemory ? Heap() : 0;
            await P99Async().ConfigureAwait(false);
            byte[] piece = new byte[PieceBytes];
            var waiting = deaf.ToDictionary(connection => connection, _ => new List<Task>());
            foreach ((Connection connection, List<Task> sends) in waiting)
            {
                while ((sends.Count + 2) * PieceBytes < options.MaxWaitingSendBytes)
                {
                    var send = connection.SendAsync(Traffic.FeedName, piece);
                    if (!send.IsCompleted)
                        sends.Add(send.AsTask());
                }
            }

            double held = looksAtMemory ? (Heap() - before) / count : 0;
            var times = new List<double>();
            foreach ((Connection connection, List<Task> sends) in waiting)
            {
                long begun = 0;
                while (!connection.Closing.IsCancellationRequested)
                {
                    begun = Stopwatch.GetTimestamp();
                    sends.Add(connection.SendAsync(Traffic.FeedName, piece).AsTask());
                }

                await connection.Closed.ConfigureAwait(false);
                times.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
                await Task.WhenAll(sends).ContinueWith(static sent => _ = sent.Exception, TaskScheduler.Default).ConfigureAwait(false);
            }

            if (looksAtMemory)
            {
                Console.WriteLine($"sends that nobody awaits: held for each {held / 1e6:0.000} MB");
                targets.AtMost($"{count} that never read, nothing awaited: managed memory for each of them", held / 1e6, (options.MaxPendingSendBytes + options.MaxWaitingSendBytes) * 1.1 / 1e6, "MB");
                return;
            }

            await Task.Delay(1_000).ConfigureAwait(false);
            double slowed = await P99Async().ConfigureAwait(false);
            Console.WriteLine($"{count} that never read, sends that nobody awaits: p99 of the others {usual:0.000} -> {slowed:0.000} ms");
            // The target is for one. Twenty are sent 190 MB as fast as memory takes them, on the processors that all share.
            if (count == 1)
                targets.AtMost("1 that never reads, nothing awaited: p99 of the others, in it and the second after, against the usual one", slowed / usual, 2, "×");
            targets.AtMost($"{count} that never read, nothing awaited: closed, after the packet that was too much, by", times.Max(), 2, "s");
        }

        async Task<Connection[]> ConnectAsync(int count)
        {
            for (int i = 0; i < count; i++)
            {
                Socket socket = ResetSockets.New();
                sockets.Add(socket);
                socket.ReceiveBufferSize = 128; // which the kernel takes for the least it has
                await socket.ConnectAsync(server.EndPoint).ConfigureAwait(false);
                await socket.SendAsync(Traffic.Handshake).ConfigureAwait(false);
            }

            Connection[] deaf;
            do
            {
                await Task.Delay(10).ConfigureAwait(false);
                deaf = [.. server.Peer.Connections.Where(connection => !others.Contains(connection))];
            }
            while (deaf.Length < count);
            return deaf;
        }

        static double Heap() => GC.GetTotalMemory(forceFullCollection: true);

        async Task<double> P99Async() => double.Parse(await probe.AskAsync("p99").ConfigureAwait(false), CultureInfo.InvariantCulture);
    }
}
