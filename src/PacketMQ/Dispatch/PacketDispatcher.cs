using System.Buffers;
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
        PacketRoute? route = _lastRoute;
        if (route?.WireId != wireId && !connection.Routes.TryGetByWireId(wireId, out route))
        {
            Refuse(options.UnknownPacket, CloseReason.UnknownPacket, $"id {wireId}", $"The packet id {wireId} was not agreed on in the handshake.");
            return default;
        }

        _lastRoute = route;
        options.PacketLog?.Add(options.TimeProvider.GetUtcNow(), PacketDirection.Received, connection.Id, route, payload);
        ValueTask handling;
        try
        {
            handling = route.Packet.ReceiveAsync(payload, hasBinaryKeys, new PacketContext(connection, route));
            if (handling.IsCompletedSuccessfully)
            {
                handling.GetAwaiter().GetResult(); // a pooled task source wants to be asked
                return default;
            }
        }
        catch (PayloadException exception)
        {
            Refuse(options.UnfitPayload, exception.Reason, route.Name, $"The payload of '{route.Name}' does not fit: {exception.Message}", exception);
            return default;
        }
        catch (Exception exception)
        {
            HandlerFailed(route, exception);
            return default;
        }

        return AwaitAsync(handling, route);
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
        DispatchLog.PacketSkipped(logger, connection.Id, packet, message);
    }

    private void HandlerFailed(PacketRoute route, Exception exception)
    {
        if (connection.IsOwnEnd(exception))
            return; // it gave up, or could not answer, because the connection is ending: no fault of its own
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
