using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using System.Security.Claims;
using Microsoft.Extensions.Logging;
using PacketMQ.Dispatch;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// The life of one connection: reads, hands each frame to the session and each packet to the dispatcher, until its end is decided.
/// Everything of the application's for this connection runs in this loop, one thing at a time.
/// </summary>
internal sealed class ConnectionLoop(
    Connection connection, TransportConnection transport, Session session, SendQueue sendQueue, CloseDecision decision,
    PeerOptions options, ILogger logger)
{
    // Who sends as fast as we read never lets a read wait: after so many bytes the other connections get their turn.
    private const int FairShare = 1_024 * 1_024;

    // A reply waits at most about this long for the rest of its batch.
    private readonly long _corkTicks = Math.Max(1, options.TimeProvider.TimestampFrequency / 500);
    private readonly PacketDispatcher _dispatcher = new(connection, options, logger, connection.Objects);
    private readonly ControlBuffer _control = new();
    private readonly PipeReader _input = transport.Input;
    private readonly Authentication? _authentication = options.Authenticate is null ? null : new(connection, options, logger);
    private TaskCompletionSource? _handlerIsSlow;
    private SequencePosition _heldStart;
    private long _corkedSince; // 0: no frame is held back yet
    private int _corkedReplies;
    private ReadResult _read; // the last one
    private bool _isHeld; // until the reader is advanced, the last result is ours to look at
    private long _framesRead;
    private long _incompleteBytes;

    /// <summary>A handler that outlived the end of its connection, with the part of the receive buffer that it may still look at.</summary>
    public Task? OverdueHandler { get; private set; }

    /// <summary>Who the other side is, if the application has found out.</summary>
    public ClaimsPrincipal? User => _authentication?.User;

    /// <summary>How many bytes of an incomplete frame have arrived; 0 while there is none. Read by the heartbeat.</summary>
    public long IncompleteBytes => Volatile.Read(ref _incompleteBytes);

    /// <summary>How many frames were read; tells one incomplete frame from the next.</summary>
    public long FramesRead => Volatile.Read(ref _framesRead);

    /// <summary>Runs until the end is decided, here or elsewhere.</summary>
    public async Task<CloseRequest> RunAsync()
    {
        try
        {
            session.Start(_control);
            SendControl();
            return await ReceiveAsync().ConfigureAwait(false);
        }
        catch (ProtocolException exception)
        {
            return CloseRequest.Refusal(exception);
        }
        catch (Exception exception)
        {
            ConnectionLog.Internal(logger, exception, connection.Id);
            return CloseRequest.InternalError(exception);
        }
        finally
        {
            LetGo();
        }
    }

    /// <summary>
    /// How many bytes may still arrive once the end is decided. Until the other side's id map was accepted that is a handshake: a stranger
    /// who was refused gets no more out of us. Later only the time counts: one thread of a lawful peer sends at full speed until another,
    /// kept by a handler, comes to see the farewell.
    /// </summary>
    public long MaxDrainedBytes => session.Agreement is null
        ? (long)options.MaxHandshakeFrameBytes + options.MaxIdMapFrameBytes
        : long.MaxValue;

    /// <summary>Reads and forgets what still arrives. True: the other side has ended its stream. False: it sent too much.</summary>
    public async Task<bool> DrainAsync()
    {
        long turn = 0;
        for (long drained = 0; drained <= MaxDrainedBytes;)
        {
            ReadResult read = await _input.ReadAsync().ConfigureAwait(false);
            drained += read.Buffer.Length;
            turn += read.Buffer.Length;
            _input.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
                return true;
            if (turn >= FairShare)
            {
                turn = 0;
                await Task.Yield();
            }
        }

        return false;
    }

    /// <summary>Writes the softquit behind everything that was sent, and behind what the session had answered before it refused something.</summary>
    public void SendSoftQuit(CloseReason reason)
    {
        session.Quit(reason, _control);
        SendControl();
    }

    /// <summary>Called by the heartbeat: a handler that runs since the last call is slow, so the loop shall read ahead meanwhile.</summary>
    public void NoticeSlowHandler() => Volatile.Read(ref _handlerIsSlow)?.TrySetResult();

    private async Task<CloseRequest> ReceiveAsync()
    {
        long unread = 0, bytesWithoutWaiting = 0;
        while (true)
        {
            try
            {
                ValueTask<ReadResult> reading = _input.ReadAsync();
                if (!reading.IsCompleted)
                    bytesWithoutWaiting = 0;
                Hold(await reading.ConfigureAwait(false));
            }
            catch (Exception exception) when (IsTransportFailure(exception))
            {
                return decision.Request ?? CloseRequest.TransportFailed(exception);
            }

            ReadOnlySequence<byte> rest = _read.Buffer;
            bytesWithoutWaiting += rest.Length - unread;
            while (TryProcess(ref rest, out ValueTask pending))
            {
                long held = _read.Buffer.Slice(_heldStart, rest.Start).Length;
                if (!await WaitForHandlerAsync(pending, held).ConfigureAwait(false))
                    return decision.Request!;
                rest = _read.Buffer.Slice(_read.Buffer.GetPosition(held, _heldStart));
            }

            if (decision.Request is { } decided)
                return decided;

            if (_read.IsCompleted)
            {
                session.EndOfInput(rest);
                return transport.IsTruncated ? CloseRequest.Truncated() : CloseRequest.Disconnected();
            }

            unread = rest.Length;
            if (unread != 0)
                connection.RelieveBuffers();
            Volatile.Write(ref _incompleteBytes, session.State == SessionState.Active ? unread : 0);
            Advance(rest.Start, rest.End);
            if (bytesWithoutWaiting >= FairShare)
            {
                bytesWithoutWaiting = 0;
                await Task.Yield(); // to the end of the pool's common queue, behind whoever is ready
            }
        }
    }

    private void Hold(ReadResult read) => (_read, _isHeld) = (read, true);

    private void Advance(SequencePosition consumed, SequencePosition examined)
    {
        _isHeld = false;
        _input.AdvanceTo(consumed, examined);
    }

    // After the last event nobody looks at what was received, so that the rest can be drained; except a handler that still runs.
    private void LetGo()
    {
        if (_isHeld && OverdueHandler is null)
            Advance(_read.Buffer.End, _read.Buffer.End);
    }

    // Handles what has arrived. True: a handler has not finished; its payload begins at _heldStart and ends where rest begins.
    private bool TryProcess(ref ReadOnlySequence<byte> rest, out ValueTask pending)
    {
        _corkedSince = 0;
        sendQueue.Cork();
        connection.Objects.Begin();
        try
        {
            while (decision.Request is null)
            {
                if (session.State == SessionState.AwaitApproval && _authentication is { IsAccepted: true })
                    session.Approve(_control);
                if (TryProcessWholeFrames(ref rest, out pending))
                    return true;
                if (decision.Request is not null || !session.TryRead(ref rest, _control, out SessionEvent read))
                    break;
                SendControl();
                switch (read.Kind)
                {
                    case SessionEventKind.Packet:
                        _framesRead++;
                        pending = _dispatcher.DispatchAsync(read.PacketId, read.Payload, read.HasBinaryKeys);
                        break;
                    case SessionEventKind.Introduced:
                        pending = _authentication!.AskAsync();
                        break;
                    case SessionEventKind.Activated:
                        pending = connection.ActivateAsync(session.Agreement!);
                        break;
                    default:
                        decision.TryMake(CloseRequest.Quit(read.Reason, session));
                        pending = default;
                        return false;
                }

                if (!pending.IsCompletedSuccessfully)
                {
                    _heldStart = read.Kind == SessionEventKind.Packet ? read.Payload.Start : rest.Start;
                    return true;
                }

                if (sendQueue.HasCorkedFrames)
                    UncorkInTime();
            }

            SendControl();
            connection.Objects.GiveBack();
            pending = default;
            return false;
        }
        finally
        {
            connection.Objects.End();
            sendQueue.Uncork();
        }
    }

    // Handles the packets that lie whole in the first part of what has arrived: the common case, without a slice for each.
    private bool TryProcessWholeFrames(ref ReadOnlySequence<byte> rest, out ValueTask pending)
    {
        pending = default;
        if (!MemoryMarshal.TryGetArray(rest.First, out ArraySegment<byte> first))
            return false;
        int consumed = 0;
        bool isPending = false;
        PacketRoute? running;
        do
        {
            running = null;
            try
            {
                while (decision.Request is null
                    && session.TryReadPacket(first.AsSpan(consumed), out int frameBytes, out int packetId, out bool hasBinaryKeys))
                {
                    int payloadStart = consumed + WireProtocol.HeaderBytes;
                    var payload = new ArraySegment<byte>(first.Array!, first.Offset + payloadStart, frameBytes - WireProtocol.HeaderBytes);
                    consumed += frameBytes;
                    _framesRead++;
                    if (_dispatcher.RouteTo(packetId) is not { } route)
                        continue;
                    _dispatcher.Log(route, payload);
                    running = route;
                    ValueTask handling = _dispatcher.HandAsync(route, payload, hasBinaryKeys);
                    if (handling.IsCompletedSuccessfully)
                    {
                        handling.GetAwaiter().GetResult(); // a pooled task source wants to be asked
                    }
                    else
                    {
                        pending = _dispatcher.FollowAsync(handling, route);
                        if (!pending.IsCompletedSuccessfully)
                        {
                            _heldStart = rest.GetPosition(payloadStart);
                            isPending = true;
                            break;
                        }
                    }

                    running = null;
                    connection.Objects.GiveBack();
                    if (sendQueue.HasCorkedFrames)
                        UncorkInTime();
                }
            }
            catch (Exception exception) when (running is not null)
            {
                _dispatcher.Failed(running, exception); // the packets behind it are handled all the same
            }
        }
        while (running is not null && !isPending);

        if (consumed > 0)
            rest = rest.Slice(consumed);
        return isPending;
    }

    private void UncorkInTime()
    {
        // Asking for the time costs about what a small reply costs, so only every eighth asks.
        if (_corkedSince != 0 && (++_corkedReplies & 7) != 0)
            return;
        long now = options.TimeProvider.GetTimestamp();
        if (_corkedSince == 0)
        {
            _corkedSince = now;
        }
        else if (now - _corkedSince > _corkTicks)
        {
            sendQueue.Uncork();
            sendQueue.Cork();
            _corkedSince = 0;
        }
    }

    // Who is not let in yet can't make us hold more than in the rest of the handshake.
    private int MaxReadAheadBytes
        => session.State == SessionState.AwaitApproval
            ? Math.Min(options.MaxIdMapFrameBytes, options.MaxReadAheadBytes)
            : options.MaxReadAheadBytes;

    // Waits for a handler, whose payload is held from _heldStart on. False: the end was decided meanwhile. A slow one does not keep
    // the other side's end from being noticed: the loop reads ahead.
    private async ValueTask<bool> WaitForHandlerAsync(ValueTask pending, long held)
    {
        Task handling = pending.AsTask();
        var slow = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _handlerIsSlow, slow);
        Volatile.Write(ref _incompleteBytes, 0); // while nothing is read, no frame can stall
        await Task.WhenAny(handling, decision.Made, slow.Task).ConfigureAwait(false);
        Volatile.Write(ref _handlerIsSlow, null);

        var ahead = new ReadAhead(held);
        while (!handling.IsCompleted && decision.Request is null)
        {
            ReadOnlySequence<byte> buffer = _read.Buffer.Slice(_heldStart);
            if (_read.IsCompleted || ahead.FindsSoftQuit(buffer))
            {
                // What came before the end is still handled, each packet in its turn; but nobody waits for an answer any more.
                await connection.CancelWaitsAsync().ConfigureAwait(false);
                await Task.WhenAny(handling, decision.Made).ConfigureAwait(false);
            }
            else if (buffer.Length >= MaxReadAheadBytes)
            {
                await Task.WhenAny(handling, decision.Made).ConfigureAwait(false);
            }
            else if (!await ReadAheadAsync(handling).ConfigureAwait(false))
            {
                break;
            }
        }

        if (decision.Request is null)
        {
            await handling.ConfigureAwait(false);
            return true;
        }

        await connection.CancelWaitsAsync().ConfigureAwait(false);
        if (!await CompletesInTimeAsync(handling).ConfigureAwait(false))
            OverdueHandler = handling;
        return false;
    }

    // Reads behind what is held. False: the transport failed.
    private async ValueTask<bool> ReadAheadAsync(Task handling)
    {
        Advance(_heldStart, _read.Buffer.End);
        Task<ReadResult> reading = _input.ReadAsync().AsTask();
        await Task.WhenAny(handling, decision.Made, reading).ConfigureAwait(false);
        if (!reading.IsCompleted)
            _input.CancelPendingRead();
        try
        {
            Hold(await reading.ConfigureAwait(false));
            _heldStart = _read.Buffer.Start; // the same byte; but a position with no byte behind it does not outlive the read
            return true;
        }
        catch (Exception exception) when (IsTransportFailure(exception))
        {
            decision.TryMake(CloseRequest.TransportFailed(exception));
            return false;
        }
    }

    private async ValueTask<bool> CompletesInTimeAsync(Task handling)
    {
        try
        {
            await handling.WaitAsync(options.CloseTimeout, options.TimeProvider).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            ConnectionLog.CloseStepTimedOut(logger, connection.Id, "a handler", options.CloseTimeout);
            return false;
        }
    }

    private void SendControl()
    {
        if (_control.Written.IsEmpty)
            return;
        sendQueue.AppendControl(_control.Written);
        _control.Clear();
    }

    private static bool IsTransportFailure(Exception exception)
        => exception is IOException or System.Net.Sockets.SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException;
}
