using Microsoft.Extensions.Logging;

namespace PacketMQ.Dispatch;

/// <summary>What the dispatch logs: never a payload. Event ids 200 to 299.</summary>
internal static partial class DispatchLog
{
    public const int HandlerFailedId = 200;
    public const int PacketSkippedId = 201;
    public const int FailureCallbackFailedId = 202;
    public const int PolicyFailedId = 203;

    [LoggerMessage(HandlerFailedId, LogLevel.Error, "Connection {ConnectionId}: the handler of '{PacketName}' threw.")]
    public static partial void HandlerFailed(ILogger logger, Exception exception, long connectionId, string packetName);

    [LoggerMessage(PacketSkippedId, LogLevel.Warning, "Connection {ConnectionId}: a packet '{PacketName}' was left out: {Reason}")]
    public static partial void PacketSkipped(ILogger logger, long connectionId, string packetName, string reason);

    [LoggerMessage(FailureCallbackFailedId, LogLevel.Error, "Connection {ConnectionId}: the application's callback for a failed handler threw.")]
    public static partial void FailureCallbackFailed(ILogger logger, Exception exception, long connectionId);

    [LoggerMessage(PolicyFailedId, LogLevel.Error, "Connection {ConnectionId}: the policy of '{PacketName}' threw; the packet was refused.")]
    public static partial void PolicyFailed(ILogger logger, Exception exception, long connectionId, string packetName);
}
