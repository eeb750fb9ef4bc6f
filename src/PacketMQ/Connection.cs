using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Security.Claims;
using Microsoft.Extensions.Logging;
using PacketMQ.Connections;
using PacketMQ.Dispatch;
using PacketMQ.Serialization;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ;

/// <summary>One lasting connection to another peer. It ends once, with one <see cref="CloseInfo"/>, and is not made again.</summary>
/// <remarks>
/// All members may be called from any thread, also from its own handlers: sending, closing and awaiting there never deadlocks.
/// Packets that one caller sends one after another arrive in that order, each whole and at most once. That a send completed means
/// that the connection has the packet, not that the other side has it.
/// </remarks>
public sealed class Connection : IBufferOwner, ISendQueueOwner, IObjectBudget
{
    // Whose handlers the current code runs in: the loop sets it once, and it flows into everything that the handlers call.
    private static readonly AsyncLocal<Connection?> Current = new();

    private readonly TaskCompletionSource? _activated; // null if nobody here opened it
    private readonly TransportConnection _transport;
    private readonly RegistrySnapshot _registry;
    private readonly BufferAccount _buffers;
    private readonly SendQueue _sendQueue;
    private readonly Session _session;
    private readonly PacketSender _sender;
    private readonly ConnectionLoop _loop;
    private CloseDecision _decision;
    private PacketObjects _objects;
    private Admission.Seat _seat; // what it counts for among the peer's connections
    private ConnectionWatch _watch;
    private TaskCompletionSource<CloseInfo>? _closed; // since somebody first asked
    private Task? _cancellingWaits; // the loop's own
    private int _state;
    private bool _isOpening = true;
    private bool _isOver;
    private long _guardViolations;

    internal Connection(Peer peer, TransportConnection transport, Admission.Seat seat, bool isIncoming)
    {
        Peer = peer;
        _seat = seat;
        _activated = isIncoming ? null : new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _transport = transport;
        PeerOptions options = peer.Options;
        _registry = peer.Registry.Snapshot();
        _session = new Session(_registry.Contract, peer.SessionLimits, needsApproval: options.Authenticate is not null);
        _buffers = new BufferAccount(peer.Buffers, this);
        transport.UsePool(_buffers);
        transport.UseSpin(options.ReceiveSpin);
        _sendQueue = new SendQueue(transport.Output, options, _buffers, this);
        _sender = new PacketSender(this, _session, _sendQueue);
        _loop = new ConnectionLoop(this, transport, _session, _sendQueue);
        _watch = new ConnectionWatch(options.TimeProvider);
    }

    /// <summary>The connection's number, unique in its peer, from 1.</summary>
    public long Id { get; internal set; }

    /// <summary>The peer that it belongs to.</summary>
    public Peer Peer { get; }

    /// <summary>How far it is.</summary>
    public ConnectionState State
        => (ConnectionState)Volatile.Read(ref _state) is var state && state < ConnectionState.Closing && IsEnding ? ConnectionState.Closing : state;

    /// <summary>The own end, if the transport has a name for it.</summary>
    public EndPoint? LocalEndPoint => _transport.LocalEndPoint;

    /// <summary>
    /// The other end, if the transport has a name for it. A client on a Unix domain socket may have bound its end to any path: escape it before
    /// you print it, or print the connection.
    /// </summary>
    public EndPoint? RemoteEndPoint => _transport.RemoteEndPoint;

    /// <summary>Whether what is sent is encrypted by <see cref="PeerOptions.Tls"/>. A stream that was attached is not known to be.</summary>
    public bool IsEncrypted => Tls is not null;

    /// <summary>What TLS has agreed on, and the other side's certificate; <see langword="null"/> in plain text, and before the TLS handshake is through.</summary>
    public TlsDetails? Tls => _transport.Tls;

    /// <summary>
    /// Who the other side is: what <see cref="PeerOptions.Authenticate"/> has accepted it as. <see langword="null"/> before, and if the hook
    /// did not say or there is none.
    /// </summary>
    public ClaimsPrincipal? User => _loop.User;

    /// <summary>How many packets came on this connection that their <see cref="PacketGuard"/> refused.</summary>
    public long GuardViolations => Interlocked.Read(ref _guardViolations);

    /// <summary>Completes when the connection has ended entirely, with the way it ended. It never fails.</summary>
    public Task<CloseInfo> Closed
    {
        get
        {
            TaskCompletionSource<CloseInfo>? closed = Volatile.Read(ref _closed);
            if (closed is null)
            {
                var made = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
                closed = Interlocked.CompareExchange(ref _closed, made, null) ?? made;
                if (Volatile.Read(ref _isOver))
                    closed.TrySetResult(_decision.Request!.Info);
            }

            return closed.Task;
        }
    }

    /// <summary>Cancelled when the end is decided, or the other side's is seen while a handler is busy. Handlers get it as <see cref="PacketContext.ConnectionClosing"/>.</summary>
    public CancellationToken Closing => _decision.Token;

    /// <summary>The names that the other side listed in the handshake, without the control packets; empty before.</summary>
    public ImmutableArray<string> PeerPacketNames => _session.PeerPacketNames;

    /// <summary>How the application's code is called that belongs to its life.</summary>
    internal ApplicationCalls Calls => new(this);

    /// <summary>The server at the other end, on a memory client's connection.</summary>
    internal MemoryServer? MemoryServer { get; init; }

    internal PacketRoutes Routes => _sender.Routes ?? throw new InvalidOperationException("The connection is still in its handshake.");

    /// <summary>Whether the transport's own handshake is not through.</summary>
    internal bool IsOpening => Volatile.Read(ref _isOpening);

    internal Task Activated => _activated?.Task ?? throw new InvalidOperationException("Nobody waits for a connection that others opened.");

    /// <summary>Whether an exception only says that this connection is ending.</summary>
    internal bool IsOwnEnd(Exception exception)
        => exception is OperationCanceledException
            ? Closing.IsCancellationRequested
            : exception is ConnectionClosedException closed && ReferenceEquals(closed.CloseInfo, _decision.Request?.Info);

    internal long IncompleteBytes => _loop.IncompleteBytes;

    internal long HeldBytes => _buffers.Held;

    internal int UnpooledBytes => _transport.UnpooledBytes;

    internal void ReleaseUnpooledBytes() => _transport.ReleaseUnpooledBytes();

    /// <summary>What the objects of the packet in hand count to.</summary>
    internal ref PacketObjects Objects => ref _objects;

    bool IObjectBudget.TryTake(long bytes) => _objects.TryTake(bytes, this);

    /// <summary>Its peer's.</summary>
    internal ILogger Logger => Peer.Logger;

    /// <summary>Whether it ends because all connections together hold too much, and this one the most.</summary>
    internal bool IsEvicted => _buffers.IsEvicted;

    /// <summary>Counts what it holds beside its buffers, or holds no more.</summary>
    internal void CountBytes(long change) => _buffers.Add(change);

    /// <summary>If all connections together hold too much, those that hold the most end now, this one perhaps among them.</summary>
    internal void RelieveBuffers() => _buffers.RelieveBudget();

    internal PacketSender Sender => _sender;

    /// <summary>Tells progress from standstill while <see cref="IsWaitingForTransport"/>: whole writes, and bytes of one where they can be counted.</summary>
    internal long SendProgress => _sendQueue.Progress + _transport.TakenBytes;

    internal bool IsWaitingForTransport => _sendQueue.IsWaitingForTransport;

    /// <summary>
    /// Whether a packet can be sent: it is registered here, its <see cref="PacketGuard"/> allows it, and the other side has it too. A side
    /// that keeps its own ids takes it that the other one, which has to check that, has all of them: see <see cref="PeerPacketNames"/> for
    /// what it listed.
    /// </summary>
    /// <param name="packet">Its name, id or object.</param>
    public bool CanSend(PacketKey packet)
        => _sender.Routes is { } routes && routes.TryFind(packet, out PacketRoute? route) && route.SendFault is null;

    /// <summary>The id of a packet on the wire of this connection, which adaption may have made another than the registry's.</summary>
    /// <param name="packet">Its name, id in the registry, or object.</param>
    /// <exception cref="PacketException">The packet can't be sent on this connection: see <see cref="CanSend"/>.</exception>
    public int GetWireId(PacketKey packet) => _sender.Resolve(packet).WireId;

    /// <summary>
    /// Sends a packet. Waits while more than <see cref="PeerOptions.MaxPendingSendBytes"/> wait for the transport: await it, because
    /// more than <see cref="PeerOptions.MaxWaitingSends"/> sends that wait end the connection.
    /// </summary>
    /// <param name="packet">The packet's name, id or object.</param>
    /// <param name="data">What its hooks accept; for a dynamic packet see <see cref="Packet"/>.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <exception cref="PacketException">The packet or its data can't be sent. Nothing was sent, and the connection goes on.</exception>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    public ValueTask SendAsync(PacketKey packet, object? data, CancellationToken cancellationToken = default)
        => _sender.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends a typed packet, without boxing. Waits while more than <see cref="PeerOptions.MaxPendingSendBytes"/> wait for the transport.</summary>
    /// <param name="packet">The packet's object.</param>
    /// <param name="data">The data.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <inheritdoc cref="SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask SendAsync<T>(Packet<T> packet, T data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(packet);
        return _sender.SendAsync(packet, data, cancellationToken);
    }

    /// <summary>Sends opaque bytes, with one copy and no allocation. Waits while more than <see cref="PeerOptions.MaxPendingSendBytes"/> wait for the transport.</summary>
    /// <param name="packet">The packet's object.</param>
    /// <param name="data">The bytes; they are the caller's again when the call returns.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <inheritdoc cref="SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask SendAsync(BinaryPacket packet, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(packet);
        return _sender.SendAsync(packet, data.Span, cancellationToken);
    }

    /// <summary>Sends opaque bytes that may lie in several parts, as a handler of a <see cref="BinaryPacket"/> gets them.</summary>
    /// <param name="packet">The packet's object.</param>
    /// <param name="data">The bytes; they are the caller's again when the call returns.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <inheritdoc cref="SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask SendAsync(BinaryPacket packet, ReadOnlySequence<byte> data, CancellationToken cancellationToken = default)
        => data.IsSingleSegment
            ? SendAsync(packet, data.First, cancellationToken)
            : SendAsync<ReadOnlySequence<byte>>(packet, data, cancellationToken);

    /// <summary>Sends the body of a frame that is encoded already (protocol, "Frame").</summary>
    /// <param name="raw">The packet's id on the wire of this connection (2 bytes, big-endian), then the payload: one msgpack value.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <inheritdoc cref="SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask SendEncodedAsync(ReadOnlyMemory<byte> raw, CancellationToken cancellationToken = default)
    {
        if (_sender.Routes is { HasGuards: true } routes)
            routes.CheckSending(raw.Span);
        return _sender.SendEncodedAsync(raw, cancellationToken);
    }

    /// <summary>
    /// Ends the connection: raises connection lost, tells the other side the reason behind everything that was sent, and waits for
    /// its end, at most <see cref="PeerOptions.CloseTimeout"/>. The first reason stands; later ones change nothing.
    /// </summary>
    /// <param name="reason">Why; by default <see cref="CloseReason.Unknown"/>.</param>
    /// <param name="cancellationToken">Ends the waiting, not the closing.</param>
    /// <returns>
    /// Completes when the connection has ended. In a handler or callback of this same connection, which has to return first, it
    /// completes at once.
    /// </returns>
    public Task SoftQuitAsync(CloseReason reason = default, CancellationToken cancellationToken = default)
    {
        RequestClose(reason, "This side quit.", Farewell.SoftQuit);
        return WaitForEndAsync(cancellationToken);
    }

    /// <summary>Cuts the connection at once, without telling the other side. What was not sent is lost.</summary>
    public void Abort()
    {
        RequestClose(CloseReason.Aborted, "This side aborted the connection.", Farewell.Cut);
        _transport.Abort();
    }

    /// <summary>The connection's number and other end.</summary>
    public override string ToString() => $"connection {Id} to {PrintableText.Of(RemoteEndPoint)}";

    /// <summary>How it ends, once that is decided.</summary>
    internal ref CloseDecision Decision => ref _decision;

    /// <summary>Whether the end is decided.</summary>
    internal bool IsEnding => _decision.Request is not null;

    internal bool IsRunningCurrentCode => Current.Value == this;

    /// <summary>Whether the current code runs in a handler or callback of one of a peer's connections.</summary>
    internal static bool RunsCodeOf(Peer peer) => Current.Value?.Peer == peer;

    internal Task WaitForEndAsync(CancellationToken cancellationToken)
        => IsRunningCurrentCode ? Task.CompletedTask : Closed.WaitAsync(cancellationToken);

    internal void Tick() => _watch.Tick(this, _loop, _sendQueue);

    internal void RequestClose(CloseReason reason, string description, Farewell farewell)
        => RequestClose(new CloseRequest(new CloseInfo(reason, CloseInitiator.Local, description), farewell));

    internal void CloseBecauseHandlerFailed(string packetName, Exception exception)
        => RequestClose(new CloseRequest(
            new CloseInfo(CloseReason.HandlerFailed, CloseInitiator.Local, $"The handler of '{packetName}' threw.") { Exception = exception },
            Farewell.SoftQuit));

    /// <summary>Begins the connection's life, on a pool thread, with nothing of the caller's context. Called once, by the peer.</summary>
    internal void Start() => ThreadPool.UnsafeQueueUserWorkItem(_loop, preferLocal: false);

    /// <summary>Called by the loop, at the beginning of its life: what runs in it from now on is this connection's.</summary>
    internal void Enter()
    {
        Current.Value = this;
        if (Logger.IsEnabled(LogLevel.Debug))
            ConnectionLog.Begins(Logger, Id, PrintableText.Of(RemoteEndPoint));
    }

    /// <summary>Called by the loop, at the end of its life. It never fails.</summary>
    internal async Task EndAsync(CloseRequest request)
    {
        RequestClose(request);
        request = _decision.Request!;
        bool wasMade = _sender.Routes is not null;
        Interlocked.CompareExchange(ref _state, (int)ConnectionState.Closing, wasMade ? (int)ConnectionState.Active : (int)ConnectionState.Handshaking);
        Log(request.Info, wasMade);
        await CancelWaitsAsync().ConfigureAwait(false);
        await RaiseEndAsync(request.Info, wasMade).ConfigureAwait(false);
        FailActivation(request.Info); // whoever waits to connect need not wait for the farewell
        var end = new ConnectionEnd(this, _transport, _loop, _sendQueue, Peer.Options);
        try
        {
            await end.RunAsync(request).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            LogInternal(exception); // of the library's own making: the application's code does not run there
        }

        TellEnd();
    }

    private void FailActivation(CloseInfo info)
    {
        if (_activated?.TrySetException(new ConnectionClosedException(info)) is true)
            _ = _activated.Task.Exception; // nobody has to look
    }

    /// <summary>The transport's own handshake, before a byte of ours. If it does not get through, the end is decided and <see cref="IsOpening"/> stays.</summary>
    internal async Task OpenAsync()
    {
        Task<IOException?> opening = _transport.OpenAsync();
        try
        {
            if (!opening.IsCompleted && await Task.WhenAny(opening, _decision.Made).ConfigureAwait(false) != opening)
            {
                // Nothing can be told to a side that has not got through it. The transport's end is the handshake's, soon.
                _transport.Abort();
                ConnectionEnd.Observe(opening);
                return;
            }

            if (await opening.ConfigureAwait(false) is { } failure)
            {
                RequestClose(CloseRequest.TransportFailed(failure));
                return;
            }
        }
        catch (Exception exception)
        {
            LogInternal(exception);
            RequestClose(CloseRequest.InternalError(exception));
            return;
        }

        Volatile.Write(ref _isOpening, false);
    }

    internal async ValueTask ActivateAsync(Agreement agreement)
    {
        RegistrySnapshot registry = _registry.For(isClient: Peer is ClientPeer, IsEncrypted);
        _sender.Routes = registry.RoutesFor(agreement, Peer.Options.FallbackPacket);
        Volatile.Write(ref _state, (int)ConnectionState.Active);
        _seat.EndHandshake();
        if (Peer.Repeated.IsNews(ConnectionLog.MadeId, "connections made", LogLevel.Information))
            ConnectionLog.Made(Logger, Id, PrintableText.Of(RemoteEndPoint));
        Calls.Make("the event of connection made", static connection => connection.Peer.RaiseMade(connection));
        await Calls.MakeAsync("connection made", static connection => connection.Peer.CallMadeHookAsync(connection)).ConfigureAwait(false);
        _activated?.TrySetResult();
    }

    /// <summary>Cancels what handlers wait for. Callbacks of the application's run here: they neither fail nor hold up the end.</summary>
    internal Task CancelWaitsAsync()
        => _cancellingWaits ??= Calls.MakeAsync(
            "the token of the connection's end",
            static connection => connection.Calls.CompletesInTimeAsync("a callback of the token of the connection's end", connection._decision.CancelAsync()))
            .AsTask();

    /// <summary>
    /// Called by the heartbeat when the application's code blocks the thread that would end the connection: cuts it and tells all who
    /// wait for its end. What is left of the end, connection lost among it, comes when that code returns.
    /// </summary>
    internal void LeaveBehind()
    {
        if (Volatile.Read(ref _isOver))
            return;
        if (Peer.Repeated.IsNews(ConnectionLog.LeftBehindId, "connections left behind"))
            ConnectionLog.LeftBehind(Logger, Id);
        Cut();
    }

    /// <summary>Called by the heartbeat, whose look at this connection failed. It never fails.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "The next heartbeat tries again.")]
    internal void EndAfterFaultyTick(Exception exception)
    {
        try
        {
            LogInternal(exception);
            if (IsEnding)
                GiveUp(exception);
            else
                RequestClose(CloseRequest.InternalError(exception));
        }
        catch (Exception)
        {
            // There is no memory even for that. The next heartbeat finds the connection as this one did, or ending.
        }
    }

    // There was no memory even for its end. A task that failed would have a finalizer that allocates, and ends the process if it can't.
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "What is left can only fail for want of memory as well.")]
    internal void GiveUp(Exception exception)
    {
        try
        {
            Forget(); // first, because it takes no memory
            RequestClose(CloseRequest.InternalError(exception));
            Cut();
        }
        catch (Exception)
        {
            _transport.Abort();
        }
    }

    private void Cut()
    {
        _transport.Abort();
        _sendQueue.Abandon();
        FailActivation(_decision.Request!.Info);
        TellEnd();
    }

    /// <summary>Sends a payload under another packet, byte for byte.</summary>
    internal ValueTask SendPayloadAsync(PacketKey packet, in ReadOnlySequence<byte> payload) => _sender.SendPayloadAsync(packet, payload);

    internal void CountGuardViolation()
    {
        Interlocked.Increment(ref _guardViolations);
        Peer.CountGuardViolation();
    }

    internal ValueTask ReceiveAsync(PacketKey packet, object? data)
    {
        if (_sender.Routes is not { } routes || !routes.TryFind(packet, out PacketRoute? route))
            route = _sender.Resolve(packet); // throws what is wrong
        return new PacketDispatcher(this).DispatchDecodedAsync(route, data);
    }

    internal ValueTask ReceiveEncodedAsync(ReadOnlyMemory<byte> raw)
    {
        (PacketRoute route, ReadOnlySequence<byte> payload, bool hasBinaryKeys) = _sender.Parse(raw);
        try
        {
            PacketRoute? lastRoute = null; // its guard is asked, as with a packet that arrives
            return new PacketDispatcher(this).DispatchAsync(route.WireId, payload, hasBinaryKeys, ref lastRoute);
        }
        catch (ProtocolException exception)
        {
            // It did not come from the other side, so the connection is not to blame.
            throw new PacketException(exception.Message, exception);
        }
    }

    void IBufferOwner.Evict()
    {
        RequestClose(
            CloseReason.Overloaded, $"All connections together buffer too much, and this one holds {_buffers.Held} bytes of it.", Farewell.Cut);
        _transport.Abort();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "It can only fail for want of memory.")]
    void ISendQueueOwner.OnSendFailed(Exception exception)
    {
        try
        {
            RequestClose(CloseRequest.TransportFailed(exception));
        }
        catch (Exception)
        {
            _transport.Abort(); // then the loop's read fails, and ends the connection
        }
    }

    void ISendQueueOwner.OnTooManyWaiting()
        => RequestClose(
            CloseReason.SlowConsumer,
            $"More sends wait for the other side than allowed: {Peer.Options.MaxWaitingSends} packets or {Peer.Options.MaxWaitingSendBytes} bytes.",
            Farewell.Cut);

    internal void RequestClose(CloseRequest request)
    {
        if (_decision.TryMake(request))
            _transport.Input.CancelPendingRead(); // wakes the loop
    }

    private void Forget()
    {
        Peer.Forget(this);
        _seat.Leave();
        _buffers.Close();
    }

    // Twice is once.
    private void TellEnd()
    {
        Volatile.Write(ref _state, (int)ConnectionState.Closed);
        Forget();
        Interlocked.Exchange(ref _isOver, true); // whoever asks for the task sees it, or this thread sees the task
        Volatile.Read(ref _closed)?.TrySetResult(_decision.Request!.Info);
    }

    private async ValueTask RaiseEndAsync(CloseInfo info, bool wasMade)
    {
        if (!wasMade)
        {
            Calls.Make("the event of connection refused", connection => connection.Peer.RaiseRefused(connection, info));
            return;
        }

        Calls.Make("the event of connection lost", connection => connection.Peer.RaiseLost(connection, info));
        await Calls.MakeAsync(
            "connection lost",
            connection => connection.Calls.CompletesInTimeAsync("the callback for connection lost", connection.Peer.CallLostHookAsync(connection, info)))
            .ConfigureAwait(false);
    }

    internal void LogInternal(Exception exception)
    {
        if (Peer.Repeated.IsNews(ConnectionLog.InternalId, exception.GetType().Name))
            ConnectionLog.Internal(Logger, exception, Id);
    }

    private void Log(CloseInfo info, bool wasMade)
    {
        (int eventId, LogLevel level) = !wasMade ? (ConnectionLog.RefusedId, LogLevel.Warning)
            : info.Exception is ProtocolException ? (ConnectionLog.ViolatedId, LogLevel.Warning)
            : (ConnectionLog.EndedId, LogLevel.Information);
        // A reason that the other side gives may be another one each time.
        if (!Peer.Repeated.IsNews(eventId, info.Initiator == CloseInitiator.Remote ? "the other side quit" : info.Reason.Name, level))
            return; // it was counted
        if (!wasMade)
            ConnectionLog.Refused(Logger, Id, PrintableText.Of(RemoteEndPoint), info);
        else if (eventId == ConnectionLog.ViolatedId)
            ConnectionLog.Violated(Logger, Id, info);
        else
            ConnectionLog.Ended(Logger, Id, info);
    }
}
