using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using Microsoft.Extensions.Logging;
using PacketMQ.Connections;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ;

/// <summary>
/// One end of connections: what <see cref="Server"/>, <see cref="Client"/> and the memory peers have in common. Traffic flows from the
/// moment a connection is made; no loop has to be run.
/// </summary>
/// <remarks>
/// All members may be called from any thread. For one connection, connection made, the packets' handlers and connection lost run in
/// this order and one at a time, on pool threads; different connections run side by side.
/// </remarks>
public abstract class Peer : IAsyncDisposable
{
    private readonly ConnectionTable _connections;
    private readonly Broadcaster _broadcaster;
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private long _guardViolations;
    private Task? _stopping; // one for all who stop the peer

    /// <summary>Makes a peer.</summary>
    /// <param name="registry">Its packets. May be shared with other peers.</param>
    /// <param name="options">Its options; <see langword="null"/>: the defaults.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    protected Peer(PacketRegistry registry, PeerOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(registry);
        options ??= new PeerOptions();
        options.Validate();
        Registry = registry;
        Options = options;
        SessionLimits = options.ToSessionLimits();
        Logger = new GuardedLogger(options.LoggerFactory.CreateLogger("PacketMQ." + GetType().Name));
        Repeated = new RepeatedLog(Logger, options.TimeProvider);
        Buffers = new BufferBudget(options.MaxTotalBufferedBytes, Repeated, Logger);
        Admission = new Admission(options, Buffers, Repeated, Logger);
        PlainText = new PlainText(options, Logger);
        _connections = new ConnectionTable(options.TimeProvider, OnTick, OnFaultyTick);
        _broadcaster = new Broadcaster(this, _connections);
    }

    /// <summary>Raised once for each connection when its handshake is through, before its first packet is handled.</summary>
    public event EventHandler<ConnectionMadeEventArgs>? ConnectionMade;

    /// <summary>
    /// Raised once for each connection that was made, when its end is decided and its last handler has returned. Packets sent from
    /// here still go out before the softquit (answers do not come any more).
    /// </summary>
    public event EventHandler<ConnectionLostEventArgs>? ConnectionLost;

    /// <summary>Raised once for each connection that ended before it was made.</summary>
    public event EventHandler<ConnectionLostEventArgs>? ConnectionRefused;

    /// <summary>Raised when a packet's handler throws. The connection goes on unless <see cref="PeerOptions.HandlerFailure"/> says otherwise.</summary>
    public event EventHandler<HandlerFailedEventArgs>? HandlerFailed;

    /// <summary>The peer's packets.</summary>
    public PacketRegistry Registry { get; }

    /// <summary>The peer's options.</summary>
    public PeerOptions Options { get; }

    /// <summary>The active connections at this moment, oldest first. A copy.</summary>
    public ImmutableArray<Connection> Connections
        => [.. _connections.All.Where(connection => connection.State == ConnectionState.Active)];

    /// <summary>
    /// How many connections found no room since the peer was made: <see cref="PeerOptions.MaxConnections"/>,
    /// <see cref="PeerOptions.MaxPendingHandshakes"/>, <see cref="PeerOptions.MaxPendingHandshakesPerAddress"/> or
    /// <see cref="PeerOptions.MaxTotalBufferedBytes"/> was reached. They raise no event.
    /// </summary>
    public long TurnedAwayConnections => Admission.TurnedAway;

    /// <summary>How many packets came, since the peer was made, that their <see cref="PacketGuard"/> refused.</summary>
    public long GuardViolations => Interlocked.Read(ref _guardViolations);

    /// <summary>The last packets, if <see cref="PeerOptions.PacketLog"/> was given.</summary>
    public PacketLog? PacketLog => Options.PacketLog;

    /// <summary>The log of what peers can cause as often as they like.</summary>
    internal RepeatedLog Repeated { get; }

    internal SessionLimits SessionLimits { get; }

    internal BufferBudget Buffers { get; }

    private protected Admission Admission { get; }

    private protected PlainText PlainText { get; }

    internal ILogger Logger { get; }

    private protected Connection? FirstActiveConnection => _connections.FirstActive;

    /// <summary>The id of a connection of this peer.</summary>
    /// <param name="connection">Its id or object.</param>
    /// <exception cref="KeyNotFoundException">This peer has no such connection (any more).</exception>
    public long GetConnectionId(ConnectionKey connection) => GetConnection(connection).Id;

    /// <summary>The object of a connection of this peer.</summary>
    /// <param name="connection">Its id or object.</param>
    /// <exception cref="KeyNotFoundException">This peer has no such connection (any more).</exception>
    public Connection GetConnection(ConnectionKey connection)
        => TryGetConnection(connection, out Connection? found)
            ? found
            : throw new KeyNotFoundException($"This peer has no {connection} (any more).");

    /// <summary>The object of a connection of this peer, if there is one.</summary>
    /// <param name="connection">Its id, which is known until the connection has ended, or its object, which passes through after that too.</param>
    /// <param name="value">Its object.</param>
    public bool TryGetConnection(ConnectionKey connection, [NotNullWhen(true)] out Connection? value)
    {
        value = connection.Connection ?? _connections.Find(connection.Id);
        if (value?.Peer != this)
            value = null;
        return value is not null;
    }

    /// <summary>Sends a packet.</summary>
    /// <param name="packet">The packet's name, id or object.</param>
    /// <param name="data">What its hooks accept; for a dynamic packet see <see cref="Packet"/>.</param>
    /// <param name="to">The connection's id or object.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <exception cref="KeyNotFoundException">This peer has no such connection (any more).</exception>
    /// <inheritdoc cref="Connection.SendAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask SendAsync(PacketKey packet, object? data, ConnectionKey to, CancellationToken cancellationToken = default)
        => GetConnection(to).SendAsync(packet, data, cancellationToken);

    /// <summary>Sends a typed packet, without boxing.</summary>
    /// <inheritdoc cref="SendAsync(PacketKey, object, ConnectionKey, CancellationToken)"/>
    public ValueTask SendAsync<T>(Packet<T> packet, T data, ConnectionKey to, CancellationToken cancellationToken = default)
        => GetConnection(to).SendAsync(packet, data, cancellationToken);

    /// <summary>Sends opaque bytes, with one copy and no allocation.</summary>
    /// <param name="packet">The packet's object.</param>
    /// <param name="data">The bytes; they are the caller's again when the call returns.</param>
    /// <param name="to">The connection's id or object.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <inheritdoc cref="SendAsync(PacketKey, object, ConnectionKey, CancellationToken)"/>
    public ValueTask SendAsync(BinaryPacket packet, ReadOnlyMemory<byte> data, ConnectionKey to, CancellationToken cancellationToken = default)
        => GetConnection(to).SendAsync(packet, data, cancellationToken);

    /// <summary>
    /// Sends a packet to all active connections: encoded once, whatever their number. Returns when each has it in its queue; a slow one does
    /// not hold the others up, see <see cref="PeerOptions.SlowReceiver"/>. A connection whose other side does not have the packet is left out.
    /// </summary>
    /// <param name="packet">The packet's name, id or object.</param>
    /// <param name="data">What its hooks accept; <see cref="Packet.OnSend"/> is called once, with the first connection.</param>
    /// <param name="cancellationToken">Ends the waiting; what was handed to the connections goes out.</param>
    /// <returns>How many connections got it, or have it waiting for room.</returns>
    /// <exception cref="PacketException">The packet is not registered, or its data can't be sent. Nobody got it.</exception>
    public ValueTask<int> BroadcastAsync(PacketKey packet, object? data, CancellationToken cancellationToken = default)
        => _broadcaster.SendAsync(packet, data, cancellationToken);

    /// <summary>Sends a typed packet to all active connections, without boxing.</summary>
    /// <inheritdoc cref="BroadcastAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask<int> BroadcastAsync<T>(Packet<T> packet, T data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(packet);
        return _broadcaster.SendAsync(packet, data, cancellationToken);
    }

    /// <summary>Sends opaque bytes to all active connections, with one copy for all of them.</summary>
    /// <param name="packet">The packet's object.</param>
    /// <param name="data">The bytes; they are the caller's again when the call returns.</param>
    /// <param name="cancellationToken">Ends the waiting; what was handed to the connections goes out.</param>
    /// <inheritdoc cref="BroadcastAsync(PacketKey, object, CancellationToken)"/>
    public ValueTask<int> BroadcastAsync(BinaryPacket packet, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(packet);
        return _broadcaster.SendAsync(packet, data.Span, cancellationToken);
    }

    /// <summary>Sends the body of a frame that is encoded already.</summary>
    /// <param name="raw">See <see cref="Connection.SendEncodedAsync"/>.</param>
    /// <param name="to">The connection's id or object.</param>
    /// <param name="cancellationToken">Ends the waiting; then nothing was sent.</param>
    /// <exception cref="KeyNotFoundException">This peer has no such connection (any more).</exception>
    /// <inheritdoc cref="Connection.SendEncodedAsync"/>
    public ValueTask SendEncodedAsync(ReadOnlyMemory<byte> raw, ConnectionKey to, CancellationToken cancellationToken = default)
        => GetConnection(to).SendEncodedAsync(raw, cancellationToken);

    /// <summary>
    /// Handles data as if it had just been decoded from a packet of a connection; arrival does the same by itself. It runs at once,
    /// not in turn with the connection's own packets: meant for tests.
    /// </summary>
    /// <param name="packet">The packet's name, id or object.</param>
    /// <param name="data">The decoded data.</param>
    /// <param name="from">The connection's id or object.</param>
    /// <exception cref="PacketException">The packet is unknown on the connection, or its <see cref="PacketGuard"/> does not permit it.</exception>
    public ValueTask ReceivePacketAsync(PacketKey packet, object? data, ConnectionKey from)
        => GetConnection(from).ReceiveAsync(packet, data);

    /// <summary>Handles the body of a frame as if it had just arrived. It runs at once, not in turn with the connection's own packets: meant for tests.</summary>
    /// <param name="raw">The packet's id on the wire of this connection (2 bytes, big-endian), then the payload: one msgpack value.</param>
    /// <param name="from">The connection's id or object.</param>
    /// <exception cref="PacketException"><paramref name="raw"/> is not such a body, or the packet's <see cref="PacketGuard"/> does not permit it.</exception>
    public ValueTask ReceiveEncodedAsync(ReadOnlyMemory<byte> raw, ConnectionKey from)
        => GetConnection(from).ReceiveEncodedAsync(raw);

    /// <summary>Ends a connection in an orderly way.</summary>
    /// <param name="connection">Its id or object.</param>
    /// <param name="reason">Why; by default <see cref="CloseReason.Unknown"/>.</param>
    /// <param name="cancellationToken">Ends the waiting, not the closing.</param>
    /// <inheritdoc cref="Connection.SoftQuitAsync"/>
    public Task SoftQuitAsync(ConnectionKey connection, CloseReason reason = default, CancellationToken cancellationToken = default)
        => GetConnection(connection).SoftQuitAsync(reason, cancellationToken);

    /// <summary>Makes a connection over any byte stream that somebody else has opened; the other end does the same.</summary>
    /// <param name="pipe">
    /// The stream. It belongs to the connection from now on, which completes both sides at the end (and disposes it, if it can be).
    /// Its reader must keep unconsumed bytes where they are, as all of .NET's readers do.
    /// </param>
    /// <param name="cancellationToken">Gives up; the stream is cut.</param>
    /// <returns>The connection, active.</returns>
    /// <exception cref="ConnectionClosedException">The handshake failed.</exception>
    /// <exception cref="InvalidOperationException"><see cref="PeerOptions.RequireTls"/> is set. The stream still belongs to the caller.</exception>
    public Task<Connection> AttachAsync(IDuplexPipe pipe, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pipe);
        if (Options.RequireTls)
            throw new InvalidOperationException($"{nameof(PeerOptions.RequireTls)} is set: whether a stream that is attached is encrypted is not known.");
        return ActivateAsync(new PipeConnection(pipe), cancellationToken);
    }

    /// <summary>Blocks until the peer has stopped: see <see cref="StopAsync"/>. For <c>Main</c> methods that do not await.</summary>
    [SuppressMessage("Usage", "VSTHRD002:Avoid problematic synchronous waits", Justification = "Blocking is what this method is for.")]
    public void Run() => RunAsync().GetAwaiter().GetResult();

    /// <summary>Waits until the peer has stopped, or stops it when cancelled: see <see cref="StopAsync"/>.</summary>
    /// <param name="cancellationToken">Stops the peer; the task then completes normally.</param>
    public async Task RunAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            await _stopped.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Stops for good: takes no more connections, softquits all with <see cref="CloseReason.Shutdown"/> and waits for their ends. In a
    /// handler or callback of one of them, which has to return first, it completes at once; <see cref="RunAsync"/> tells the end.
    /// </summary>
    /// <param name="cancellationToken">Cuts what has not ended by then. Cancelled before the call, it cuts all, as <see cref="CloseReason.Aborted"/>.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        _connections.Close();
        if (cancellationToken.IsCancellationRequested)
            AbortAll(); // before it is decided that they softquit
        Task stopping;
        lock (_gate)
            stopping = _stopping ??= Task.Run(StopOnceAsync, CancellationToken.None);
        if (Connection.RunsCodeOf(this))
            return;
        using (cancellationToken.UnsafeRegister(static peer => ((Peer)peer!).AbortAll(), this))
            await stopping.ConfigureAwait(false);
    }

    /// <summary>Stops the peer: see <see cref="StopAsync"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(CancellationToken.None).ConfigureAwait(false);
        GC.SuppressFinalize(this);
    }

    /// <summary>Called after <see cref="ConnectionMade"/>. An exception is logged and changes nothing.</summary>
    /// <param name="connection">The connection.</param>
    protected virtual ValueTask OnConnectionMadeAsync(Connection connection) => default;

    /// <summary>Called after <see cref="ConnectionLost"/>, at most for <see cref="PeerOptions.CloseTimeout"/>. An exception is logged and changes nothing.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="closeInfo">How it ends.</param>
    protected virtual ValueTask OnConnectionLostAsync(Connection connection, CloseInfo closeInfo) => default;

    /// <summary>Begins a connection that others opened. Null: it was cut, because the peer has stopped or has no room.</summary>
    internal Connection? Begin(TransportConnection transport) => Begin(transport, memoryServer: null, isIncoming: true, out _);

    /// <summary>Begins a connection over a transport that is open. Null: it was cut, and <paramref name="refusal"/> says why.</summary>
    internal Connection? Begin(TransportConnection transport, MemoryServer? memoryServer, bool isIncoming, out CloseInfo? refusal)
    {
        Connection? connection = null;
        CloseInfo? noRoom = Admission.TryEnter(transport.RemoteEndPoint, isIncoming, out Admission.Seat seat);
        if (noRoom is null)
        {
            bool isAdded = false;
            try
            {
                connection = new Connection(this, transport, seat, isIncoming) { MemoryServer = memoryServer };
                isAdded = _connections.TryAdd(connection);
            }
            finally
            {
                if (!isAdded)
                    seat.Leave(); // it has stopped, or there is no memory
            }

            if (!isAdded)
                connection = null;
        }

        if (connection is null)
        {
            refusal = noRoom ?? StoppedInfo;
            Refuse(transport);
        }
        else
        {
            refusal = null;
            connection.Start();
        }

        return connection;
    }

    // On a pool thread, with nothing of the caller's context.
    private static void Refuse(TransportConnection transport)
    {
        using (ExecutionContext.SuppressFlow())
        {
            _ = Task.Run(async () =>
            {
                try
                {
                    transport.Abort();
                    await transport.DisposeAsync().ConfigureAwait(false);
                }
                catch (OutOfMemoryException)
                {
                    // Its finalizer does the rest.
                }
            });
        }
    }

    internal void CountGuardViolation() => Interlocked.Increment(ref _guardViolations);

    internal void Forget(Connection connection) => _connections.Remove(connection);

    internal void RaiseMade(Connection connection) => ConnectionMade?.Invoke(this, new ConnectionMadeEventArgs(connection));

    internal Task CallMadeHookAsync(Connection connection) => OnConnectionMadeAsync(connection).AsTask();

    internal Task CallLostHookAsync(Connection connection, CloseInfo closeInfo) => OnConnectionLostAsync(connection, closeInfo).AsTask();

    internal void RaiseLost(Connection connection, CloseInfo closeInfo)
        => ConnectionLost?.Invoke(this, new ConnectionLostEventArgs(connection, closeInfo));

    internal void RaiseRefused(Connection connection, CloseInfo closeInfo)
        => ConnectionRefused?.Invoke(this, new ConnectionLostEventArgs(connection, closeInfo));

    internal void RaiseHandlerFailed(HandlerFailedEventArgs arguments) => HandlerFailed?.Invoke(this, arguments);

    /// <summary>Stops whatever makes connections by itself.</summary>
    private protected virtual Task StopListeningAsync() => Task.CompletedTask;

    /// <summary>Begins a connection and waits until it is active.</summary>
    private protected async Task<Connection> ActivateAsync(
        TransportConnection transport, CancellationToken cancellationToken, MemoryServer? memoryServer = null)
    {
        Connection connection = Begin(transport, memoryServer, isIncoming: false, out CloseInfo? refusal)
            ?? throw new ConnectionClosedException(refusal!);
        try
        {
            await connection.Activated.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested && !connection.Activated.IsCompletedSuccessfully)
        {
            connection.Abort();
            throw;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Made before it was given up, perhaps with packets handled: to cut it now would look like a fault to the other side.
        }

        return connection;
    }

    private async Task StopOnceAsync()
    {
        await StopListeningAsync().ConfigureAwait(false);
        Connection[] connections = [.. _connections.All];
        foreach (Connection connection in connections)
            connection.RequestClose(CloseReason.Shutdown, "This side stopped.", Farewell.SoftQuit);
        await Task.WhenAll(connections.Select(connection => connection.Closed)).ConfigureAwait(false);
        _connections.Dispose();
        Repeated.Flush(isLast: true);
        _stopped.TrySetResult();
    }

    private void AbortAll()
    {
        foreach (Connection connection in _connections.All)
            connection.Abort();
    }

    private void OnTick()
    {
        Repeated.Flush();
        Buffers.Check();
        _broadcaster.ReleaseUnused();
    }

    private void OnFaultyTick(Exception exception) => Repeated.TellFault(exception);

    private static CloseInfo StoppedInfo
        => new(CloseReason.Shutdown, CloseInitiator.Local, "This peer has stopped; it makes no more connections.");

    private protected static ConnectionClosedException Stopped() => new(StoppedInfo);

    private protected void RefuseTls()
    {
        if (Options.Tls is not null)
            throw new ArgumentException($"{nameof(PeerOptions.Tls)} is set, but what stays in this process is not encrypted.", "options");
    }
}
