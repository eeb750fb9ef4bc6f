using System.Buffers;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using PacketMQ.Serialization;
using PacketMQ.Wire;

namespace PacketMQ.Dispatch;

/// <summary>
/// Leads a packet of one connection to its handler. What the other side did wrong comes out as <see cref="ProtocolException"/>; what
/// the handler did wrong stays here, unless the options say that it ends the connection.
/// </summary>
internal sealed class PacketDispatcher(Connection connection, PeerOptions options, ILogger logger)
{
    private PacketRoute? _lastRoute; // most packets follow one of their own kind

    /// <summary>Decodes and handles one packet. An incomplete task means that the handler still runs and uses the payload.</summary>
    public ValueTask DispatchAsync(int wireId, in ReadOnlySequence<byte> payload, bool hasBinaryKeys)
    {
        if (RouteTo(wireId) is not { } route)
            return default;
        options.PacketLog?.Add(options.TimeProvider.GetUtcNow(), PacketDirection.Received, connection.Id, route, payload);
        try
        {
            return FollowAsync(route.Packet.ReceiveAsync(payload, hasBinaryKeys, new PacketContext(connection, route)), route);
        }
        catch (Exception exception)
        {
            Failed(route, exception);
            return default;
        }
    }

    /// <inheritdoc cref="DispatchAsync(int, in ReadOnlySequence{byte}, bool)"/>
    public ValueTask DispatchAsync(int wireId, ArraySegment<byte> payload, bool hasBinaryKeys)
    {
        if (RouteTo(wireId) is not { } route)
            return default;
        options.PacketLog?.Add(options.TimeProvider.GetUtcNow(), PacketDirection.Received, connection.Id, route, new ReadOnlySequence<byte>(payload));
        try
        {
            return FollowAsync(route.Packet.ReceiveAsync(payload, hasBinaryKeys, new PacketContext(connection, route)), route);
        }
        catch (Exception exception)
        {
            Failed(route, exception);
            return default;
        }
    }

    /// <summary>Handles data that is decoded already.</summary>
    public async ValueTask DispatchDecodedAsync(PacketRoute route, object? data)
    {
        try
        {
            await route.Packet.ReceiveDecodedAsync(data, new PacketContext(connection, route)).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is not PacketException)
        {
            HandlerFailed(route, exception);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private PacketRoute? RouteTo(int wireId)
    {
        PacketRoute? route = _lastRoute;
        if (route is not null && route.WireId == wireId)
            return route;
        if (connection.Routes.TryGetByWireId(wireId, out route))
            return _lastRoute = route;
        Refuse(options.UnknownPacket, CloseReason.UnknownPacket, $"id {wireId}", $"The packet id {wireId} was not agreed on in the handshake.");
        return null;
    }

    private ValueTask FollowAsync(ValueTask handling, PacketRoute route)
    {
        if (!handling.IsCompletedSuccessfully)
            return AwaitAsync(handling, route);
        handling.GetAwaiter().GetResult(); // a pooled task source wants to be asked
        return default;
    }

    private void Failed(PacketRoute route, Exception exception)
    {
        if (exception is PayloadException unfit)
            Refuse(options.UnfitPayload, unfit.Reason, route.Name, $"The payload of '{route.Name}' does not fit: {unfit.Message}", unfit);
        else
            HandlerFailed(route, exception);
    }

    private async ValueTask AwaitAsync(ValueTask handling, PacketRoute route)
    {
        try
        {
            await handling.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            HandlerFailed(route, exception);
        }
    }

    private void Refuse(RefusalAction action, CloseReason reason, string packet, string message, Exception? exception = null)
    {
        if (action == RefusalAction.Close)
            throw new ProtocolException(reason, message, exception);
        if (connection.Peer.Repeated.IsNews(DispatchLog.PacketSkippedId, reason.Name))
            DispatchLog.PacketSkipped(logger, connection.Id, packet, message);
    }

    private void HandlerFailed(PacketRoute route, Exception exception)
    {
        if (connection.IsOwnEnd(exception))
            return; // it gave up, or could not answer, because the connection is ending: no fault of its own
        if (connection.Peer.Repeated.IsNews(DispatchLog.HandlerFailedId, $"{route.Name}, {exception.GetType().Name}"))
            DispatchLog.HandlerFailed(logger, exception, connection.Id, route.Name);
        try
        {
            connection.Peer.RaiseHandlerFailed(new HandlerFailedEventArgs(connection, route.Name, exception));
        }
        catch (Exception callbackException)
        {
            DispatchLog.FailureCallbackFailed(logger, callbackException, connection.Id);
        }

        if (options.HandlerFailure == HandlerFailureAction.Close)
            connection.CloseBecauseHandlerFailed(route.Name, exception);
    }
}
