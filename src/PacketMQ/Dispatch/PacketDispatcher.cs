using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using PacketMQ.Serialization;
using PacketMQ.Wire;

namespace PacketMQ.Dispatch;

/// <summary>
/// Leads a packet of one connection to its handler. What the other side did wrong comes out as <see cref="ProtocolException"/>; what
/// the handler did wrong stays here, unless the options say that it ends the connection.
/// </summary>
/// <param name="connection">Whose packets they are.</param>
/// <param name="countsObjects">Whether the objects of a packet count until its handler has completed: not if it did not arrive on the connection.</param>
internal readonly struct PacketDispatcher(Connection connection, bool countsObjects = false)
{
    private PeerOptions Options => connection.Peer.Options;

    /// <summary>Decodes and handles one packet. An incomplete task means that the handler still runs and uses the payload.</summary>
    public ValueTask DispatchAsync(int wireId, in ReadOnlySequence<byte> payload, bool hasBinaryKeys, ref PacketRoute? lastRoute)
    {
        if (RouteTo(wireId, ref lastRoute) is not { } route)
            return default;
        Log(route, payload);
        try
        {
            ValueTask handling = route.Packet.ReceiveAsync(payload, hasBinaryKeys, new PacketContext(connection, route));
            if (!handling.IsCompletedSuccessfully)
                return FollowAsync(handling, route);
            handling.GetAwaiter().GetResult(); // a pooled task source wants to be asked
            GiveObjectsBack();
            return default;
        }
        catch (Exception exception)
        {
            Failed(route, exception);
            return default;
        }
    }

    /// <summary>
    /// Handles one packet that lies in one piece. What goes wrong at once is thrown, for <see cref="Failed"/>, and what takes longer is
    /// for <see cref="FollowAsync"/>: a caller of many packets in a row pays for neither with each.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public ValueTask HandAsync(PacketRoute route, ArraySegment<byte> payload, bool hasBinaryKeys)
        => route.Packet.ReceiveAsync(payload, hasBinaryKeys, new PacketContext(connection, route));

    /// <summary>Writes a packet that is about to be handled into the log, if there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Log(PacketRoute route, ArraySegment<byte> payload)
    {
        if (Options.PacketLog is not null)
            Log(route, new ReadOnlySequence<byte>(payload));
    }

    /// <summary>Handles data that is decoded already.</summary>
    public async ValueTask DispatchDecodedAsync(PacketRoute route, object? data)
    {
        try
        {
            if (!Admits(route))
                return;
            await route.Packet.ReceiveDecodedAsync(data, new PacketContext(connection, route)).ConfigureAwait(false);
        }
        catch (ProtocolException exception)
        {
            throw new PacketException(exception.Message, exception); // it did not come from the other side
        }
        catch (Exception exception) when (exception is not PacketException)
        {
            HandlerFailed(route, exception);
        }
    }

    /// <summary>The packet under an id, if there is one and its guard lets it in; otherwise it was refused.</summary>
    /// <param name="wireId">The id.</param>
    /// <param name="lastRoute">The caller's memory: most packets follow one of their own kind.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public PacketRoute? RouteTo(int wireId, ref PacketRoute? lastRoute)
    {
        PacketRoute? route = lastRoute;
        if (route is not null && route.WireId == wireId)
            return route;
        return FindRoute(wireId, ref lastRoute);
    }

    private PacketRoute? FindRoute(int wireId, ref PacketRoute? lastRoute)
    {
        if (!connection.Routes.TryGetByWireId(wireId, out PacketRoute? route))
        {
            bool isOnlyThere = connection.Routes.IsOnlyThere(wireId);
            RefusalAction action = isOnlyThere ? RefusalAction.Skip : Options.UnknownPacket;
            if (IsToBeTold(action, CloseReason.UnknownPacket))
            {
                Refuse(
                    action, CloseReason.UnknownPacket, $"id {wireId}",
                    isOnlyThere
                        ? $"Only the other side registered the packet with the id {wireId}."
                        : $"The packet id {wireId} was not agreed on in the handshake.");
            }

            return null;
        }

        if (!Admits(route))
            return null;
        if (route.Guard?.Policy is null)
            lastRoute = route; // the rest of a guard says the same for the connection's whole life; a policy is asked each time
        return route;
    }

    // Whether the packet's guard lets it in. A violation is counted, and ends the connection unless the guard says otherwise.
    private bool Admits(PacketRoute route)
    {
        if (route.Guard is not { } guard)
            return true;
        string? fault = route.ReceiveFault;
        Exception? exception = null;
        if (fault is null && guard.Policy is { } policy)
            fault = AskPolicy(policy, route, out exception);
        if (fault is null)
            return true;
        connection.CountGuardViolation();
        if (IsToBeTold(guard.Violation, CloseReason.NotPermitted))
            Refuse(guard.Violation, CloseReason.NotPermitted, route.Name, $"The packet '{route.Name}' {fault}.", exception);
        return false;
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A policy that fails says no.")]
    private string? AskPolicy(Func<PacketContext, bool> policy, PacketRoute route, out Exception? failure)
    {
        failure = null;
        try
        {
            return policy(new PacketContext(connection, route)) ? null : "is not permitted by its policy";
        }
        catch (Exception exception)
        {
            if (connection.Peer.Repeated.IsNews(DispatchLog.PolicyFailedId, $"{route.Name}, {exception.GetType().Name}"))
                DispatchLog.PolicyFailed(connection.Logger, exception, connection.Id, route.Name);
            failure = exception;
            return "has a policy that threw";
        }
    }

    /// <summary>What becomes of a packet whose decoding or handler threw.</summary>
    public void Failed(PacketRoute route, Exception exception)
    {
        GiveObjectsBack();
        if (exception is not PayloadException unfit)
            HandlerFailed(route, exception);
        else if (connection.IsEvicted)
            return; // the end is decided, and reading the payload may have stopped because of it
        else if (IsToBeTold(Options.UnfitPayload, unfit.Reason))
            Refuse(Options.UnfitPayload, unfit.Reason, route.Name, $"The payload of '{route.Name}' does not fit: {unfit.Message}", unfit);
    }

    /// <summary>Waits for a handler that takes longer, and for what it may throw.</summary>
    public async ValueTask FollowAsync(ValueTask handling, PacketRoute route)
    {
        try
        {
            await handling.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            HandlerFailed(route, exception);
        }
        finally
        {
            GiveObjectsBack();
        }
    }

    private void GiveObjectsBack()
    {
        if (countsObjects)
            connection.Objects.GiveBack(connection);
    }

    private void Log(PacketRoute route, in ReadOnlySequence<byte> payload)
        => Options.PacketLog?.Add(Options.TimeProvider.GetUtcNow(), PacketDirection.Received, connection.Id, route, payload);

    // What is left out can come as often as the other side likes: its text is made only for a line that is written.
    private bool IsToBeTold(RefusalAction action, CloseReason reason)
        => action == RefusalAction.Close || connection.Peer.Repeated.IsNews(DispatchLog.PacketSkippedId, reason.Name);

    private void Refuse(RefusalAction action, CloseReason reason, string packet, string message, Exception? exception = null)
    {
        if (action == RefusalAction.Close)
            throw new ProtocolException(reason, message, exception);
        DispatchLog.PacketSkipped(connection.Logger, connection.Id, packet, message);
    }

    private void HandlerFailed(PacketRoute route, Exception exception)
    {
        if (connection.IsOwnEnd(exception))
            return; // it gave up, or could not answer, because the connection is ending: no fault of its own
        if (connection.Peer.Repeated.IsNews(DispatchLog.HandlerFailedId, $"{route.Name}, {exception.GetType().Name}"))
            DispatchLog.HandlerFailed(connection.Logger, exception, connection.Id, route.Name);
        try
        {
            connection.Peer.RaiseHandlerFailed(new HandlerFailedEventArgs(connection, route.Name, exception));
        }
        catch (Exception callbackException)
        {
            if (connection.Peer.Repeated.IsNews(DispatchLog.FailureCallbackFailedId, callbackException.GetType().Name))
                DispatchLog.FailureCallbackFailed(connection.Logger, callbackException, connection.Id);
        }

        if (Options.HandlerFailure == HandlerFailureAction.Close)
            connection.CloseBecauseHandlerFailed(route.Name, exception);
    }
}
