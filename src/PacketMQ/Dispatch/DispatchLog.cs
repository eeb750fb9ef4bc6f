using Microsoft.Extensions.Logging;

namespace PacketMQ.Dispatch;

/// <summary>What the dispatch logs: never a payload. Event ids 200 to 299.</summary>
internal static partial class DispatchLog
{
    [LoggerMessage(200, LogLevel.Error, "Connection {ConnectionId}: the handler of '{PacketName}' threw.")]
    public static partial void HandlerFailed(ILogger logger, Exception exception, long connectionId, string packetName);

    [LoggerMessage(201, LogLevel.Warning, "Connection {ConnectionId}: a packet '{PacketName}' was left out: {Reason}")]
    public static partial void PacketSkipped(ILogger logger, long connectionId, string packetName, string reason);

    [LoggerMessage(202, LogLevel.Error, "Connection {ConnectionId}: the application's callback for a failed handler threw.")]
    public static partial void FailureCallbackFailed(ILogger logger, Exception exception, long connectionId);
}
