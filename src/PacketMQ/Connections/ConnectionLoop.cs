using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using System.Security.Claims;
using PacketMQ.Dispatch;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// The life of one connection: reads, hands each frame to the session and each packet to the dispatcher, until its end is decided.
/// Everything of the application's for this connection runs in this loop, one thing at a time.
/// </summary>
internal sealed class ConnectionLoop(
    Connection connection, TransportConnection transport, Session session, SendQueue sendQueue) : IThreadPoolWorkItem
{
    // A reply waits at most about 2 ms for the rest of its batch, and for the handler that runs then; or for seven more, if they were quick before.
    private const int MostCorksASecond = 500;

    // Replies that come less often than each 100 µs all ask for the time.
    private const int SlowAsksASecond = 10_000;

    private readonly PacketDispatcher _dispatcher = new(connection, countsObjects: true);
    private readonly Authentication? _authentication = connection.Peer.Options.Authenticate is null ? null : new(connection, connection.Peer.Options);
    private ReceivedBytes _received = new(transport.Input);
    private HandlerWait? _handler; // one that has not finished
    private PacketRoute? _lastRoute;
    private long _corkedSince; // 0: no frame has been held back yet in this batch
    private int _askedAt; // when the time was last asked for, the low half of it
    private byte _corkedReplies;
    private bool _areRepliesSlow;
    private long _framesRead;
    private bool _countsPeerNames;

    private PeerOptions Options => connection.Peer.Options;

    /// <summary>A handler that outlived the end of its connection, with the part of the receive buffer that it may still look at.</summary>
    public Task? OverdueHandler => _handler?.Overdue;

    /// <summary>Who the other side is, if the application has found out.</summary>
    public ClaimsPrincipal? User => _authentication?.User;

    /// <summary>
    /// How many bytes of an incomplete frame have arrived, or of a TLS record around it; 0 while there is none, or nothing is read: then none can
    /// stall. Read by the heartbeat.
    /// </summary>
    public long IncompleteBytes => IsHandling ? 0 : _received.Left + transport.IncompleteBytes;

    /// <summary>Whether what has arrived is being handled, on a blocked thread perhaps, so that nothing more is read. Read by the heartbeat.</summary>
    public bool IsHandling => _received.IsHeld || Volatile.Read(ref _handler) is not null;

    /// <summary>Whether they include some of a frame. Read by the heartbeat.</summary>
    public bool IsFrameIncomplete => _received.Left > 0;

    /// <summary>How many frames were read; tells one incomplete frame from the next.</summary>
    public long FramesRead => Volatile.Read(ref _framesRead);

    /// <summary>The loop's own, and that of what it waits for.</summary>
    public ref ReceivedBytes Received => ref _received;

    /// <summary>How much is held while a handler runs. Who is not let in yet can't make us hold more than in the rest of the handshake.</summary>
    public int MaxReadAheadBytes
        => session.State == SessionState.AwaitApproval
            ? Math.Min(Options.MaxIdMapFrameBytes, Options.MaxReadAheadBytes)
            : Options.MaxReadAheadBytes;

    /// <summary>
    /// How many bytes may still arrive once the end is decided. Until the other side's id map was accepted that is a handshake: a stranger
    /// who was refused gets no more out of us. Later only the time counts: one thread of a lawful peer sends at full speed until another,
    /// kept by a handler, comes to see the farewell.
    /// </summary>
    public long MaxDrainedBytes => session.Agreement is null
        ? (long)Options.MaxHandshakeFrameBytes + Options.MaxIdMapFrameBytes
        : long.MaxValue;

    void IThreadPoolWorkItem.Execute()
    {
        try
        {
            _ = RunAsync(); // ends by itself, and tells in Connection.Closed that it has
        }
        catch (OutOfMemoryException)
        {
            // Not even for the task there was any. From a work item it would end the process; so the heartbeat ends the connection.
        }
    }

    /// <summary>Reads and forgets what still arrives. True: the other side has ended its stream. False: it sent too much.</summary>
    public async Task<bool> DrainAsync()
    {
        for (long drained = 0; drained <= MaxDrainedBytes;)
        {
            ReadResult read = await _received.ReadAsync().ConfigureAwait(false);
            _received.Take(read, Options.TimeProvider);
            drained += read.Buffer.Length;
            _received.LetGo();
            if (read.IsCompleted)
                return true;
            if (_received.IsTurnOver)
                await Task.Yield();
        }

        return false;
    }

    /// <summary>Writes the softquit behind everything that was sent, and behind what the session had answered before it refused something. It is the last frame.</summary>
    public void SendSoftQuit(CloseReason reason)
    {
        using ControlBuffer control = ControlBuffer.Rent();
        session.Quit(reason, control);
        Send(control, isLast: true);
    }

    /// <summary>Called by the heartbeat: a handler that runs since the last call is slow, so the loop shall read ahead meanwhile.</summary>
    public void NoticeSlowHandler() => Volatile.Read(ref _handler)?.NoticeSlow(transport);

    public static bool IsTransportFailure(Exception exception)
        => exception is IOException or System.Net.Sockets.SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException;

    // The whole life, in one method: each one more that awaits would be one more state machine that an idle connection holds. What it awaits
    // beside the read is a plain task, so that the state machine has one place for all of them.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A lack of memory ends this connection, and nothing else.")]
    private async Task RunAsync()
    {
        try
        {
            connection.Enter();
            await connection.OpenAsync().ConfigureAwait(false);
            CloseRequest? end = connection.IsOpening ? connection.Decision.Request : null;
            try
            {
                if (end is null)
                    StartSession();
                while (end is null)
                {
                    try
                    {
                        ReadResult read = await _received.ReadAsync().ConfigureAwait(false);
                        _received.Take(read, Options.TimeProvider);
                    }
                    catch (Exception exception) when (IsTransportFailure(exception))
                    {
                        end = connection.Decision.Request ?? CloseRequest.TransportFailed(exception);
                        break;
                    }

                    while (!TryProcess(out end))
                    {
                        await _handler!.RunAsync().ConfigureAwait(false);
                        if (connection.Decision.Request is not null)
                            break;
                    }

                    end ??= connection.Decision.Request;
                    if (end is null && _received.IsTurnOverBy(Options.TimeProvider))
                        await Task.Yield(); // to the end of the pool's common queue, behind whoever is ready
                }
            }
            catch (ProtocolException exception)
            {
                CountPeerNames();
                end = CloseRequest.Refusal(exception);
            }
            catch (Exception exception)
            {
                connection.LogInternal(exception);
                end = CloseRequest.InternalError(exception);
            }

            // After the last event nobody looks at what was received, so that the rest can be drained; except a handler that still runs.
            if (OverdueHandler is null)
                _received.LetGo();
            await connection.EndAsync(end).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            connection.GiveUp(exception);
        }
    }

    // Handles what has arrived, from where the last handler left off. False: another one has not finished. Otherwise the end may be due.
    private bool TryProcess(out CloseRequest? end)
    {
        end = null;
        ReadOnlySequence<byte> rest = _handler is { } finished ? finished.Rest : _received.All;
        if (_handler is not null)
            Volatile.Write(ref _handler, null);
        if (Process(ref rest, out ValueTask pending))
        {
            long handled = _received.Kept.Length - rest.Length;
            Volatile.Write(ref _handler, new HandlerWait(this, connection, pending.AsTask(), handled));
            return false;
        }

        end = connection.Decision.Request;
        if (end is null && _received.IsCompleted)
        {
            session.EndOfInput(rest);
            end = transport.IsTruncated ? CloseRequest.Truncated() : CloseRequest.Disconnected();
        }

        if (end is null)
        {
            if (!rest.IsEmpty)
                connection.RelieveBuffers();
            _received.Advance(rest);
        }

        return true;
    }

    // Handles what has arrived. True: a handler has not finished; it keeps its payload, which ends where rest begins.
    private bool Process(ref ReadOnlySequence<byte> rest, out ValueTask pending)
    {
        _corkedSince = 0;
        sendQueue.Cork();
        connection.Objects.Begin();
        try
        {
            while (connection.Decision.Request is null)
            {
                if (session.State == SessionState.AwaitApproval && _authentication is { IsAccepted: true })
                    Approve();
                if (ProcessWholeFrames(ref rest, out pending))
                    return true;
                if (connection.Decision.Request is not null)
                    break;
                bool isRead = TryRead(ref rest, out SessionEvent read);
                CountPeerNames();
                if (!isRead)
                    break;
                switch (read.Kind)
                {
                    case SessionEventKind.Packet:
                        _framesRead++;
                        pending = _dispatcher.DispatchAsync(read.PacketId, read.Payload, read.HasBinaryKeys, ref _lastRoute);
                        break;
                    case SessionEventKind.Introduced:
                        pending = _authentication!.AskAsync();
                        break;
                    case SessionEventKind.Activated:
                        pending = connection.ActivateAsync(session.Agreement!);
                        break;
                    default:
                        connection.Decision.TryMake(CloseRequest.Quit(read.Reason, session));
                        pending = default;
                        return false;
                }

                if (!pending.IsCompletedSuccessfully)
                {
                    _received.Keep(read.Kind == SessionEventKind.Packet ? read.Payload.Start : rest.Start);
                    return true;
                }

                if (sendQueue.HasCorkedFrames)
                    UncorkInTime();
            }

            connection.Objects.GiveBack(connection);
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
    private bool ProcessWholeFrames(ref ReadOnlySequence<byte> rest, out ValueTask pending)
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
                while (connection.Decision.Request is null
                    && session.TryReadPacket(first.AsSpan(consumed), out int frameBytes, out int packetId, out bool hasBinaryKeys))
                {
                    int payloadStart = consumed + WireProtocol.HeaderBytes;
                    var payload = new ArraySegment<byte>(first.Array!, first.Offset + payloadStart, frameBytes - WireProtocol.HeaderBytes);
                    consumed += frameBytes;
                    _framesRead++;
                    if (_dispatcher.RouteTo(packetId, ref _lastRoute) is not { } route)
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
                            _received.Keep(rest.GetPosition(payloadStart));
                            isPending = true;
                            break;
                        }
                    }

                    running = null;
                    connection.Objects.GiveBack(connection);
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
        // Asking for the time costs about what a small reply costs, so while they come quickly only every eighth asks.
        if (_corkedSince != 0 && !_areRepliesSlow && (++_corkedReplies & 7) != 0)
            return;
        long now = Options.TimeProvider.GetTimestamp();
        long frequency = Options.TimeProvider.TimestampFrequency;
        _areRepliesSlow = (uint)((int)now - _askedAt) > Math.Max(1, frequency / SlowAsksASecond);
        _askedAt = (int)now;
        if (_corkedSince != 0 && now - _corkedSince > Math.Max(1, frequency / MostCorksASecond))
        {
            sendQueue.Uncork();
            sendQueue.Cork();
            _corkedSince = now; // what the next one waits for began here
        }
        else if (_corkedSince == 0)
        {
            _corkedSince = now;
        }
    }

    // Kept for the connection's life, unlike all else that a stranger sends in a handshake. The few names that an ordinary peer may have more
    // than this side are less than what any connection costs.
    private void CountPeerNames()
    {
        if (_countsPeerNames || session.ForeignNameBytes <= BufferAccount.Uncounted)
            return;
        _countsPeerNames = true;
        connection.CountBytes(session.ForeignNameBytes);
        connection.RelieveBuffers();
    }

    private void StartSession()
    {
        using ControlBuffer control = ControlBuffer.Rent();
        session.Start(control);
        Send(control);
    }

    private void Approve()
    {
        using ControlBuffer control = ControlBuffer.Rent();
        session.Approve(control);
        Send(control);
    }

    private bool TryRead(ref ReadOnlySequence<byte> rest, out SessionEvent read)
    {
        using ControlBuffer control = ControlBuffer.Rent();
        try
        {
            return session.TryRead(ref rest, control, out read);
        }
        finally
        {
            Send(control); // also what it answered before it refused something
        }
    }

    private void Send(ControlBuffer control, bool isLast = false)
    {
        if (!control.Written.IsEmpty)
            sendQueue.AppendControl(control.Written, isLast);
    }
}
