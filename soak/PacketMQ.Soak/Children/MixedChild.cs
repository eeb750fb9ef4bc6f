using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace PacketMQ.Soak.Children;

/// <summary>
/// Clients of all sorts, for ever: eight of ten exchange packets of 0 to 60 000 bytes, one stops reading what it asked for, one sends bad
/// first bytes. On "cut" some of those that exchange are cut, and a few more die in the middle of a packet.
/// </summary>
internal sealed class MixedChild
{
    private readonly ConcurrentDictionary<Connection, Exchange> _exchanges = new();
    private readonly IPEndPoint _server;
    private readonly Client _client;
    private readonly bool _encrypts = SoakCertificate.ForChild() is not null;

    private MixedChild(IPEndPoint server)
    {
        _server = server;
        _client = Child.NewClient((data, context) => _exchanges.GetValueOrDefault(context.Connection)?.Take(data));
    }

    public static async Task RunAsync(IPEndPoint server, int count, int seed)
    {
        var child = new MixedChild(server);
        for (int i = 0; i < count; i++)
        {
            var random = new Random((seed * 1_000) + i);
            Watch((i % 10) switch
            {
                0 => Task.Run(() => child.ReadNothingAsync()),
                1 => Task.Run(() => child.SendBadBytesAsync(random)),
                _ => Task.Run(() => child.ExchangeAsync(random)),
            });
        }

        Child.Answer("ready");
        var cuts = new Random(seed);
        while (await Child.CommandAsync().ConfigureAwait(false) is not null)
        {
            // One in five is reset wherever it is; a few more strangers go in the middle of a packet.
            foreach (Connection connection in child._client.Connections)
            {
                if (cuts.Next(5) == 0)
                    connection.Abort();
            }

            for (int i = 0; i < 5; i++)
                await child.DieInsideAPacketAsync(cuts).ConfigureAwait(false);
        }
    }

    private static void Watch(Task task) => task.ContinueWith(
        static ended => Console.WriteLine($"BREAK: a client stopped: {ended.Exception}"), TaskScheduler.Default);

    private static Task PauseAsync(Random random) => Task.Delay(random.Next(20, 200));

    private static bool IsAnEnd(Exception exception) => exception is SocketException or IOException or AuthenticationException;

    private async Task ExchangeAsync(Random random)
    {
        while (true)
        {
            try
            {
                Connection connection = await _client.ConnectAsync(_server).ConfigureAwait(false);
                var exchange = new Exchange();
                _exchanges[connection] = exchange;
                try
                {
                    for (long number = 0; !connection.Closing.IsCancellationRequested;)
                    {
                        for (int burst = random.Next(1, 20); burst > 0; burst--, number++)
                            await connection.SendAsync(Traffic.EchoName, Traffic.Make(number, Size(random))).ConfigureAwait(false);
                        await exchange.ReachedAsync(number).WaitAsync(TimeSpan.FromSeconds(60), connection.Closing).ConfigureAwait(false);
                        await PauseAsync(random).ConfigureAwait(false);
                        if (random.Next(200) == 0)
                            await connection.SoftQuitAsync().ConfigureAwait(false);
                    }
                }
                catch (TimeoutException)
                {
                    Console.WriteLine($"BREAK: no answer within 60 s on {connection}");
                    connection.Abort();
                }
                finally
                {
                    await connection.Closed.ConfigureAwait(false);
                    _exchanges.TryRemove(connection, out _);
                }
            }
            catch (Exception exception) when (exception is ConnectionClosedException or OperationCanceledException)
            {
                await PauseAsync(random).ConfigureAwait(false);
            }
        }
    }

    private static int Size(Random random) => random.Next(20) switch
    {
        0 => random.Next(60_000),
        < 4 => random.Next(4_000),
        _ => random.Next(200),
    };

    // What it asked for fills the buffers; the server gives up after its time-out, and this side asks again.
    private async Task ReadNothingAsync()
    {
        while (true)
        {
            try
            {
                using Stream stream = await OpenAsync([.. Traffic.Handshake, .. Traffic.Frame(Traffic.FeedId, 0xc0)]).ConfigureAwait(false);
                await Task.Delay(15_000).ConfigureAwait(false);
            }
            catch (Exception exception) when (IsAnEnd(exception))
            {
                await Task.Delay(100).ConfigureAwait(false);
            }
        }
    }

    private async Task SendBadBytesAsync(Random random)
    {
        byte[] bytes = new byte[4_096];
        while (true)
        {
            try
            {
                random.NextBytes(bytes);
                byte[] head = random.Next(4) switch
                {
                    0 => [],
                    1 => Traffic.Init,
                    2 => Traffic.Handshake[..random.Next(Traffic.Handshake.Length)],
                    _ => Traffic.Handshake,
                };
                using Stream stream = await OpenAsync([.. head, .. bytes]).ConfigureAwait(false);
                using var patience = new CancellationTokenSource(2_000);
                while (await stream.ReadAsync(bytes, patience.Token).ConfigureAwait(false) > 0)
                    continue;
            }
            catch (Exception exception) when (IsAnEnd(exception) || exception is OperationCanceledException)
            {
                // Reset, or still waiting for the rest: again.
            }

            await PauseAsync(random).ConfigureAwait(false);
        }
    }

    private async Task DieInsideAPacketAsync(Random random)
    {
        byte[] packet = Traffic.Frame(Traffic.EchoId, [0x92, 0, 0xc5, 0x40, 0, .. new byte[0x4000]]);
        try
        {
            using Stream stream = await OpenAsync([.. Traffic.Handshake, .. packet[..random.Next(1, packet.Length)]]).ConfigureAwait(false);
        }
        catch (Exception exception) when (IsAnEnd(exception))
        {
            // It was full, or faster.
        }
    }

    // Played by hand: a reset ends it, wherever it is.
    private async Task<Stream> OpenAsync(byte[] bytes)
    {
        Socket socket = ResetSockets.New();
        Stream stream = Stream.Null;
        try
        {
            await socket.ConnectAsync(_server).ConfigureAwait(false);
            stream = new ResettingStream(socket);
            if (_encrypts)
            {
                var ssl = new SslStream(stream, leaveInnerStreamOpen: false, static (_, _, _, _) => true); // whom it trusts is no matter here
                stream = ssl;
                await ssl.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { ApplicationProtocols = [new SslApplicationProtocol("packetmq/1")] }).ConfigureAwait(false);
            }

            await stream.WriteAsync(bytes).ConfigureAwait(false);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync().ConfigureAwait(false);
            socket.Dispose();
            throw;
        }
    }

    // A network stream says goodbye before it closes its socket, and so does not reset.
    private sealed class ResettingStream(Socket socket) : NetworkStream(socket, ownsSocket: false)
    {
        protected override void Dispose(bool disposing)
        {
            if (disposing)
                Socket.Dispose();
            base.Dispose(disposing);
        }
    }

    /// <summary>What comes back on one connection.</summary>
    private sealed class Exchange
    {
        private readonly Lock _gate = new();
        private long _next;
        private (long Number, TaskCompletionSource Reached)? _awaited;

        public void Take(object? data)
        {
            lock (_gate)
            {
                if (!Traffic.TryRead(data, out long number) || number != _next)
                    Console.WriteLine($"BREAK: {number} came back in the place of {_next}");
                _next++;
                if (_awaited is { } awaited && _next >= awaited.Number)
                    awaited.Reached.TrySetResult();
            }
        }

        public Task ReachedAsync(long number)
        {
            lock (_gate)
            {
                _awaited = (number, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
                if (_next >= number)
                    _awaited.Value.Reached.SetResult();
                return _awaited.Value.Reached.Task;
            }
        }
    }
}
