using System.Buffers;
using System.IO.Pipelines;

namespace PacketMQ.Connections;

/// <summary>
/// The loop of one connection waits for a handler, whose payload and what follows it are kept. A slow one does not keep the other side's
/// end from being noticed: after a heartbeat the loop reads ahead.
/// </summary>
/// <param name="loop">The loop.</param>
/// <param name="connection">Its connection.</param>
/// <param name="handling">The handler.</param>
/// <param name="handled">How many of the bytes that are kept were handled when it is done.</param>
internal sealed class HandlerWait(ConnectionLoop loop, Connection connection, Task handling, long handled)
{
    private readonly TaskCompletionSource _isSlow = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The handler, if it has outlived the end of its connection.</summary>
    public Task? Overdue { get; private set; }

    /// <summary>What is to be handled next.</summary>
    public ReadOnlySequence<byte> Rest => loop.Received.Kept.Slice(handled);

    /// <summary>Called by the heartbeat: a handler that runs since the last call is slow.</summary>
    public void NoticeSlow() => _isSlow.TrySetResult();

    /// <summary>Waits for the handler; or, once the end was decided, no longer than the end may take.</summary>
    public async Task RunAsync()
    {
        await Task.WhenAny(handling, connection.Decision.Made, _isSlow.Task).ConfigureAwait(false);
        var ahead = new ReadAhead(handled);
        while (!handling.IsCompleted && connection.Decision.Request is null)
        {
            if (loop.Received.IsCompleted || ahead.FindsSoftQuit(loop.Received.Kept))
            {
                // What came before the end is still handled, each packet in its turn; but nobody waits for an answer any more.
                await connection.CancelWaitsAsync().ConfigureAwait(false);
                await Task.WhenAny(handling, connection.Decision.Made).ConfigureAwait(false);
            }
            else if (loop.Received.Kept.Length >= loop.MaxReadAheadBytes)
            {
                await Task.WhenAny(handling, connection.Decision.Made).ConfigureAwait(false);
            }
            else if (!await ReadAheadAsync().ConfigureAwait(false))
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
