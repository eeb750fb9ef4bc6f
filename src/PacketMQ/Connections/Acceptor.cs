using System.Net;
using Microsoft.Extensions.Logging;
using PacketMQ.Transports;

namespace PacketMQ.Connections;

/// <summary>
/// Takes the connections of one listener until it is disposed. Nothing stops it before: when the system can't accept (no more
/// descriptors, say), it waits from 10 ms up to 1 s, says so at most once a second, and tries again. What is wrong with one client only
/// makes nobody wait; so many in a row that something else must be wrong are 10 ms.
/// </summary>
internal sealed class Acceptor : IAsyncDisposable
{
    private const int MostPassedOver = 64;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly Func<CancellationToken, ValueTask<TransportConnection>> _accept;
    private readonly IDisposable _listener;
    private readonly Func<TransportConnection, Connection?> _begin;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _loop;

    /// <param name="localEndPoint">Where it listens.</param>
    /// <param name="accept">Waits for the next connection.</param>
    /// <param name="listener">What to dispose of at the end.</param>
    /// <param name="begin">Takes the connection.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    public Acceptor(
        EndPoint localEndPoint, Func<CancellationToken, ValueTask<TransportConnection>> accept, IDisposable listener,
        Func<TransportConnection, Connection?> begin, TimeProvider time, ILogger logger)
    {
        (_accept, _listener, _begin, _time, _logger) = (accept, listener, begin, time, logger);
        LocalEndPoint = localEndPoint;
        _loop = Task.Run(RunAsync);
    }

    public EndPoint LocalEndPoint { get; }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _loop.ConfigureAwait(false);
        _listener.Dispose();
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        TimeSpan pause = FirstPause;
        long lastReport = long.MinValue;
        int passedOver = 0; // clients in a row
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                TransportConnection transport = await _accept(_stopping.Token).ConfigureAwait(false);
                pause = FirstPause;
                passedOver = 0;
                await BeginAsync(transport).ConfigureAwait(false);
            }
            catch (Exception) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                bool isOfOneClient = SocketListener.IsFaultOfOneClient(exception);
                if (isOfOneClient && ++passedOver % MostPassedOver != 0)
                    continue;
                TimeSpan wait = isOfOneClient ? FirstPause : pause;
                long now = _time.GetTimestamp();
                if (lastReport == long.MinValue || _time.GetElapsedTime(lastReport, now) >= LongestPause)
                {
                    lastReport = now;
                    ConnectionLog.AcceptFailed(_logger, exception, LocalEndPoint, wait);
                }

                await Task.Delay(wait, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (!isOfOneClient)
                    pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    // One that could not be begun, for want of memory for example, is not left to the finalizer, which comes when it likes.
    private async ValueTask BeginAsync(TransportConnection transport)
    {
        try
        {
            _begin(transport);
        }
        catch
        {
            transport.Abort();
            await transport.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }
}
