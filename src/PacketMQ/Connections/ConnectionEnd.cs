using PacketMQ.Transports;

namespace PacketMQ.Connections;

/// <summary>
/// The end of one connection (protocol, "Closing"): whoever softquits says why, both sides write what still waits, end their stream
/// and read until the other's end. What takes longer than the close time-out, or goes on sending, is cut.
/// </summary>
internal sealed class ConnectionEnd(
    Connection connection, TransportConnection transport, ConnectionLoop loop, SendQueue sendQueue, PeerOptions options)
{
    public async Task RunAsync(CloseRequest request)
    {
        bool ended = false;
        try
        {
            ended = request.Farewell != Farewell.Cut && await SayFarewellAsync(request).ConfigureAwait(false);
        }
        finally
        {
            // Whatever came of the farewell, nothing may be left of the connection: not even when there was no memory to say it with.
            if (!ended)
                transport.Abort();
            sendQueue.Abandon();
            if (loop.OverdueHandler is { } handler)
                _ = DisposeAfterAsync(handler); // the handler owns its part of the buffer until it returns
            else
                await transport.DisposeAsync().ConfigureAwait(false);
        }
    }

    private async Task<bool> SayFarewellAsync(CloseRequest request)
    {
        try
        {
            if (request.Farewell == Farewell.SoftQuit)
                loop.SendSoftQuit(request.Info.Reason);
            return await FinishAsync().ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or System.Net.Sockets.SocketException or ObjectDisposedException or InvalidOperationException)
        {
            return false; // the transport ended before the farewell was through: the connection's reason stands
        }
    }

    private async Task<bool> FinishAsync()
    {
        using var deadline = new CancellationTokenSource(options.CloseTimeout, options.TimeProvider);
        if (!await CompletesAsync("writing the last bytes", sendQueue.CloseAsync(), deadline.Token).ConfigureAwait(false)
            || !await CompletesAsync("ending the stream", transport.Output.CompleteAsync().AsTask(), deadline.Token).ConfigureAwait(false)
            || loop.OverdueHandler is not null)
        {
            return false;
        }

        Task<bool> draining = loop.DrainAsync();
        if (!await CompletesAsync("the other side's end", draining, deadline.Token).ConfigureAwait(false))
            return false;
        bool ended = await draining.ConfigureAwait(false);
        if (!ended && connection.Peer.Repeated.IsNews(ConnectionLog.SendsOnId, "bytes after the end"))
            ConnectionLog.SendsOn(connection.Logger, connection.Id, loop.MaxDrainedBytes);
        return ended;
    }

    private async Task<bool> CompletesAsync(string step, Task task, CancellationToken deadline)
    {
        try
        {
            await task.WaitAsync(deadline).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            if (connection.Peer.Repeated.IsNews(ConnectionLog.CloseStepTimedOutId, step))
                ConnectionLog.CloseStepTimedOut(connection.Logger, connection.Id, step, options.CloseTimeout);
            Observe(task);
            return false;
        }
    }

    /// <summary>Nobody waits for the task any more; how it ends does not matter.</summary>
    public static void Observe(Task task)
        => _ = task.ContinueWith(
            static ended => _ = ended.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    private async Task DisposeAfterAsync(Task handler)
    {
        await handler.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await transport.DisposeAsync().ConfigureAwait(false);
    }
}
