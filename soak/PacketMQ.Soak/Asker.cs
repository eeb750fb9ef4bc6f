using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;

namespace PacketMQ.Soak;

/// <summary>
/// A client in the process of the run that asks a question, waits for the answer, and asks the next one. When it is lost it connects again,
/// after a pause that is not the same for all.
/// </summary>
internal sealed class Asker : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly ConcurrentDictionary<string, int> _ends;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SemaphoreSlim _answers = new(0);
    private readonly Client _client;
    private readonly Task _loop;
    private long _asked;
    private long _answered;
    private long _lastEnd;
    private int _isConnected;

    /// <param name="server">Where to.</param>
    /// <param name="seed">For the pauses.</param>
    /// <param name="ends">Where it counts the reasons of its connections' ends.</param>
    public Asker(IPEndPoint server, int seed, ConcurrentDictionary<string, int> ends)
    {
        _ends = ends;
        _client = Children.Child.NewClient((data, _) =>
        {
            if (!Traffic.TryRead(data, out long number) || number != Interlocked.Read(ref _asked))
                Console.WriteLine($"BREAK: {number} came back in the place of {Interlocked.Read(ref _asked)}");
            _answers.Release();
        });
        _client.ConnectionLost += (_, lost) =>
        {
            Volatile.Write(ref _lastEnd, Stopwatch.GetTimestamp());
            _ends.AddOrUpdate($"{lost.CloseInfo.Reason.Name} ({lost.CloseInfo.Initiator})", 1, (_, count) => count + 1);
        };
        _loop = Task.Run(() => AskAsync(server, new Random(seed)));
    }

    public long Answered => Interlocked.Read(ref _answered);

    /// <summary>When its last connection ended, as <see cref="Stopwatch"/> counts; 0: none has.</summary>
    public long LastEnd => Volatile.Read(ref _lastEnd);

    public bool IsConnected => Volatile.Read(ref _isConnected) != 0;

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _client.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
        _answers.Dispose();
    }

    private async Task AskAsync(IPEndPoint server, Random random)
    {
        while (true)
        {
            try
            {
                Connection connection = await _client.ConnectAsync(server, _stopping.Token).ConfigureAwait(false);
                for (long number = 0; ; number++)
                {
                    Interlocked.Exchange(ref _asked, number);
                    await connection.SendAsync(Traffic.EchoName, Traffic.Make(number, 100), _stopping.Token).ConfigureAwait(false);
                    using var either = CancellationTokenSource.CreateLinkedTokenSource(connection.Closing, _stopping.Token);
                    await _answers.WaitAsync(either.Token).ConfigureAwait(false);
                    Volatile.Write(ref _isConnected, 1);
                    Interlocked.Increment(ref _answered);
                    await Task.Delay(Pause, either.Token).ConfigureAwait(false);
                }
            }
            catch (Exception exception) when (exception is ConnectionClosedException or OperationCanceledException && !_stopping.IsCancellationRequested)
            {
                Volatile.Write(ref _isConnected, 0);
                while (_answers.Wait(0))
                    continue; // what belongs to the connection that has gone
                await Task.Delay(random.Next(10, 250), _stopping.Token).ConfigureAwait(false);
            }
        }
    }
}
