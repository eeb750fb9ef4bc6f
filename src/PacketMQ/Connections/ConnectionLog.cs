using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>What connections log: never a payload, and text from the other side only escaped and cut. Event ids 100 to 199.</summary>
/// <remarks>Above <see cref="LogLevel.Debug"/>, whatever a peer can cause as often as it likes is asked of <see cref="RepeatedLog"/> first.</remarks>
internal static partial class ConnectionLog
{
    public const int MadeId = 101;
    public const int EndedId = 102;
    public const int RefusedId = 103;
    public const int ViolatedId = 104;
    public const int InternalId = 105;
    public const int CallbackFailedId = 106;
    public const int CloseStepTimedOutId = 107;
    public const int LeftBehindId = 109;
    public const int TurnedAwayId = 111;
    public const int BuffersFullId = 112;
    public const int AuthenticationThrewId = 113;
    public const int SendsOnId = 114;
    public const int ListensInPlainTextId = 115;
    public const int ConnectsInPlainTextId = 116;
    public const int PeerFaultId = 117;

    [LoggerMessage(100, LogLevel.Debug, "Connection {ConnectionId} to {RemoteEndPoint} begins.")]
    public static partial void Begins(ILogger logger, long connectionId, string remoteEndPoint);

    [LoggerMessage(MadeId, LogLevel.Information, "Connection {ConnectionId} to {RemoteEndPoint} is made.")]
    public static partial void Made(ILogger logger, long connectionId, string remoteEndPoint);

    [LoggerMessage(EndedId, LogLevel.Information, "Connection {ConnectionId} ended: {CloseInfo}")]
    public static partial void Ended(ILogger logger, long connectionId, CloseInfo closeInfo);

    [LoggerMessage(RefusedId, LogLevel.Warning, "Connection {ConnectionId} to {RemoteEndPoint} was refused in the handshake: {CloseInfo}")]
    public static partial void Refused(ILogger logger, long connectionId, string remoteEndPoint, CloseInfo closeInfo);

    [LoggerMessage(ViolatedId, LogLevel.Warning, "Connection {ConnectionId} ended because the other side broke the protocol: {CloseInfo}")]
    public static partial void Violated(ILogger logger, long connectionId, CloseInfo closeInfo);

    [LoggerMessage(InternalId, LogLevel.Critical, "Connection {ConnectionId} ended by an error of the library itself.")]
    public static partial void Internal(ILogger logger, Exception exception, long connectionId);

    [LoggerMessage(CallbackFailedId, LogLevel.Error, "Connection {ConnectionId}: the application's callback for {Occasion} threw.")]
    public static partial void CallbackFailed(ILogger logger, Exception exception, long connectionId, string occasion);

    [LoggerMessage(CloseStepTimedOutId, LogLevel.Warning, "Connection {ConnectionId}: {Step} took longer than the close time-out of {CloseTimeout}; going on without it.")]
    public static partial void CloseStepTimedOut(ILogger logger, long connectionId, string step, TimeSpan closeTimeout);

    [LoggerMessage(108, LogLevel.Error, "Accepting on {LocalEndPoint} failed; trying again after {Pause}.")]
    public static partial void AcceptFailed(ILogger logger, Exception exception, object localEndPoint, TimeSpan pause);

    [LoggerMessage(LeftBehindId, LogLevel.Error, "Connection {ConnectionId}: a handler or callback of the application blocks its thread and does not let the connection end; it was cut.")]
    public static partial void LeftBehind(ILogger logger, long connectionId);

    [LoggerMessage(EventId = 110, Message = "{Count} more events {RepeatedEventId} like the last one ({Kind}) were not logged one by one.")]
    public static partial void Repeated(ILogger logger, LogLevel level, int count, int repeatedEventId, string kind);

    [LoggerMessage(TurnedAwayId, LogLevel.Warning, "A connection from {RemoteEndPoint} was turned away. {Cause}")]
    public static partial void TurnedAway(ILogger logger, string remoteEndPoint, string cause);

    [LoggerMessage(BuffersFullId, LogLevel.Warning, "All connections together buffer more than {MaxBytes} bytes: {Count} that hold the most are closed.")]
    public static partial void BuffersFull(ILogger logger, long maxBytes, int count);

    [LoggerMessage(AuthenticationThrewId, LogLevel.Error, "Connection {ConnectionId}: the application's hook for authentication threw; the other side was refused.")]
    public static partial void AuthenticationThrew(ILogger logger, Exception exception, long connectionId);

    [LoggerMessage(SendsOnId, LogLevel.Warning, "Connection {ConnectionId}: the other side sent more than {MaxBytes} bytes after the end of the connection was decided; it was cut.")]
    public static partial void SendsOn(ILogger logger, long connectionId, long maxBytes);

    [LoggerMessage(ListensInPlainTextId, LogLevel.Warning, "Listening on {EndPoint} in plain text: whoever is on the network can read and change everything, and come in. Set PeerOptions.Tls, or listen on the loopback interface or a Unix domain socket. PeerOptions.RequireTls makes plain text an error.")]
    public static partial void ListensInPlainText(ILogger logger, object endPoint);

    [LoggerMessage(ConnectsInPlainTextId, LogLevel.Warning, "Connected to {EndPoint} in plain text: whoever is on the network can read and change everything, and stand in for the server. Set PeerOptions.Tls. PeerOptions.RequireTls makes plain text an error.")]
    public static partial void ConnectsInPlainText(ILogger logger, object? endPoint);

    [LoggerMessage(PeerFaultId, LogLevel.Critical, "An error of the library itself, which belongs to no connection. It tries again with the next heartbeat.")]
    public static partial void PeerFault(ILogger logger, Exception exception);
}
