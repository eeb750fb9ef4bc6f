using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Transports;

namespace PacketMQ.Connections;

/// <summary>
/// The loop of one connection waits for a handler, whose payload and what follows it are kept. A slow one does not keep the other side's
/// end from being noticed: after a heartbeat the loop reads ahead, and when it may read no more, each heartbeat looks at the transport.
/// </summary>
/// <param name="loop">The loop.</param>
/// <param name="connection">Its connection.</param>
/// <param name="handling">The handler.</param>
/// <param name="handled">How many of the bytes that are kept were handled when it is done.</param>
internal sealed class HandlerWait(ConnectionLoop loop, Connection connection, Task handling, long handled)
{
    private readonly TaskCompletionSource _isSlow = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _isEnded; // while nothing is read

    /// <summary>The handler, if it has outlived the end of its connection.</summary>
    public Task? Overdue { get; private set; }

    /// <summary>What is to be handled next.</summary>
    public ReadOnlySequence<byte> Rest => loop.Received.Kept.Slice(handled);

    /// <summary>Called by the heartbeat: a handler that runs since the last call is slow.</summary>
    /// <param name="transport">Where the other side may have gone, if nobody reads.</param>
    public void NoticeSlow(TransportConnection transport)
    {
        _isSlow.TrySetResult();
        if (Volatile.Read(ref _isEnded) is not { } isEnded || !transport.TryFindEnd(out IOException? failure))
            return;
        if (failure is not null)
            connection.RequestClose(CloseRequest.TransportFailed(failure));
        else
            isEnded.TrySetResult();
    }

    /// <summary>Waits for the handler; or, once the end was decided, no longer than the end may take.</summary>
    public async Task RunAsync()
    {
        await Task.WhenAny(handling, connection.Decision.Made, _isSlow.Task).ConfigureAwait(false);
        var ahead = new ReadAhead(handled);
        while (!handling.IsCompleted && connection.Decision.Request is null)
        {
            bool isFull = loop.Received.Kept.Length >= loop.MaxReadAheadBytes;
            if (loop.Received.IsCompleted || ahead.FindsSoftQuit(loop.Received.Kept) || (isFull && await EndsUnreadAsync().ConfigureAwait(false)))
            {
                // What came before the end is still handled, each packet in its turn; but nobody waits for an answer any more.
                await connection.CancelWaitsAsync().ConfigureAwait(false);
                await Task.WhenAny(handling, connection.Decision.Made).ConfigureAwait(false);
            }
            else if (!isFull && !await ReadAheadAsync().ConfigureAwait(false))
            {
                break;
            }
        }

        if (connection.Decision.Request is null)
        {
            await handling.ConfigureAwait(false);
            return;
        }

        await connection.CancelWaitsAsync().ConfigureAwait(false);
        if (!await connection.Calls.CompletesInTimeAsync("a handler", handling).ConfigureAwait(false))
            Overdue = handling;
    }

    // Waits, without reading, for the handler or the end of the connection; or for the other side's end: then it is true.
    private async ValueTask<bool> EndsUnreadAsync()
    {
        var isEnded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _isEnded, isEnded);
        await Task.WhenAny(handling, connection.Decision.Made, isEnded.Task).ConfigureAwait(false);
        Volatile.Write(ref _isEnded, null); // behind a proper end nothing is lost any more, whatever becomes of the connection
        return isEnded.Task.IsCompleted;
    }

    // Reads behind what is kept. False: the transport failed.
    private async ValueTask<bool> ReadAheadAsync()
    {
        Task<ReadResult> reading = loop.Received.ReadAheadAsync().AsTask();
        await Task.WhenAny(handling, connection.Decision.Made, reading).ConfigureAwait(false);
        if (!reading.IsCompleted)
            loop.Received.CancelRead();
        try
        {
            ReadResult read = await reading.ConfigureAwait(false);
            loop.Received.TakeAhead(read, connection.Peer.Options.TimeProvider);
            return true;
        }
        catch (Exception exception) when (ConnectionLoop.IsTransportFailure(exception))
        {
            connection.Decision.TryMake(CloseRequest.TransportFailed(exception));
            return false;
        }
    }
}
