using System.Buffers;
using System.Runtime.CompilerServices;
using PacketMQ.Dispatch;
using PacketMQ.Serialization;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// The way out of one connection: finds the packet's id, encodes the data on the sender's thread and appends the frame to the send
/// queue. Whatever is wrong with what the caller gave is thrown at the caller, before anything is sent.
/// </summary>
internal sealed class PacketSender(Connection connection, Session session, SendQueue sendQueue)
{
    // A peer that announces no extension takes no more (protocol, "Frame").
    private const int MaxPayloadBytes = WireProtocol.MaxLegacyFrameBytes - WireProtocol.PacketIdBytes;

    // Most packets follow one of their own kind. Written by any sending thread: each sees one route or another, all of them true.
    private PacketRoute? _lastRoute;

    private PeerOptions Options => connection.Peer.Options;

    /// <summary>The packets that can travel; null until the handshake is through.</summary>
    public PacketRoutes? Routes { get; set; }

    public ValueTask SendAsync(PacketKey packet, object? data, CancellationToken cancellationToken)
    {
        PacketRoute route = Resolve(packet);
        using PayloadBuffer payload = Encode(route, data);
        return SendFrameAsync(route, new EncodedFrame(route.WireId, payload.WrittenSpan), cancellationToken);
    }

    public ValueTask SendAsync<T>(Packet<T> packet, T data, CancellationToken cancellationToken)
    {
        PacketRoute route = Resolve(packet);
        using PayloadBuffer payload = Encode(route, packet, data);
        return SendFrameAsync(route, new EncodedFrame(route.WireId, payload.WrittenSpan), cancellationToken);
    }

    public ValueTask SendAsync(BinaryPacket packet, ReadOnlySpan<byte> data, CancellationToken cancellationToken)
    {
        PacketRoute route = Resolve(packet);
        return SendFrameAsync(route, new BinaryFrame(route.WireId, data), cancellationToken);
    }

    public ValueTask SendEncodedAsync(ReadOnlyMemory<byte> raw, CancellationToken cancellationToken)
    {
        (PacketRoute route, ReadOnlySequence<byte> payload, _) = Parse(raw);
        return SendFrameAsync(route, new EncodedFrame(route.WireId, payload.FirstSpan), cancellationToken);
    }

    /// <summary>Sends a payload under another packet, byte for byte.</summary>
    public ValueTask SendPayloadAsync(PacketKey packet, in ReadOnlySequence<byte> payload)
    {
        PacketRoute route = Resolve(packet);
        ReadOnlySpan<byte> bytes = payload.IsSingleSegment ? payload.FirstSpan : payload.ToArray();
        return SendFrameAsync(route, new EncodedFrame(route.WireId, bytes), CancellationToken.None);
    }

    /// <summary>The route of a packet on this connection. Throws what the caller should see if there is none.</summary>
    public PacketRoute Resolve(PacketKey packet)
    {
        if (Routes is { } routes && routes.TryGet(packet, out PacketRoute? route))
            return route;
        throw Unresolved(packet);
    }

    private PacketRoute Resolve(Packet packet)
    {
        PacketRoute? route = _lastRoute;
        if (route is not null && ReferenceEquals(route.Packet, packet))
            return route;
        if (Routes is { } routes && routes.TryGet(packet, out route))
            return _lastRoute = route;
        throw Unresolved(packet);
    }

    private Exception Unresolved(PacketKey packet)
    {
        if (Routes is null)
            return NotMade(packet.ToString());
        if (!connection.Peer.Registry.TryGetName(packet, out string? name))
            return new PacketException($"The packet {packet} is not registered.");
        if (connection.Peer.Registry.GetId(packet) < PacketRegistry.MinPacketId)
            return new PacketException($"'{name}' belongs to the protocol and can't be sent by an application.");
        return session.PeerPacketNames.Contains(name)
            ? new PacketException($"The packet '{name}' was registered after {connection} was made.")
            : new PacketException($"The other side of {connection} does not have the packet '{name}'.");
    }

    private PacketMQException NotMade(string packet)
        => connection.Decision.Request is { } request
            ? new ConnectionClosedException(request.Info)
            : new PacketException($"{connection} is still in its handshake: {packet} can't be sent or received yet.");

    /// <summary>Encodes data into the scratch of this thread, which the caller gives back.</summary>
    public PayloadBuffer Encode(PacketRoute route, object? data)
    {
        PayloadBuffer payload = PayloadBuffer.Rent(MaxPayloadBytes, route.Name);
        try
        {
            route.Packet.Encode(data, new PacketContext(connection, route), payload);
            return payload;
        }
        catch (Exception exception)
        {
            payload.Dispose();
            if (exception is PacketException)
                throw;
            throw EncodingFailed(route, exception);
        }
    }

    /// <inheritdoc cref="Encode(PacketRoute, object)"/>
    public PayloadBuffer Encode<T>(PacketRoute route, Packet<T> packet, T data)
    {
        PayloadBuffer payload = PayloadBuffer.Rent(MaxPayloadBytes, route.Name);
        try
        {
            packet.Encode(data, new PacketContext(connection, route), payload);
            return payload;
        }
        catch (Exception exception)
        {
            payload.Dispose();
            if (exception is PacketException)
                throw;
            throw EncodingFailed(route, exception);
        }
    }

    /// <summary>Offers a frame that goes to others too.</summary>
    public AppendResult TrySendShared(PacketRoute route, SharedFrames frames, int start, int size)
    {
        AppendResult result = sendQueue.TryAppend(frames, start, size);
        if (result == AppendResult.Accepted && Options.PacketLog is not null)
            LogSent(route, frames.Slice(start, size)[WireProtocol.HeaderBytes..].ToArray());
        return result;
    }

    /// <summary>Offers a frame that is encoded already.</summary>
    public AppendResult TrySend(PacketRoute route, in EncodedFrame frame)
    {
        AppendResult result = sendQueue.TryAppend(frame);
        if (result == AppendResult.Accepted && Options.PacketLog is not null)
            LogSent(route, frame);
        return result;
    }

    /// <summary>Queues a frame behind those that wait for room. False: the connection takes no more.</summary>
    public async ValueTask<bool> SendLaterAsync(PacketRoute route, ValueTask<bool> appending, byte[]? logged)
    {
        bool isAppended = await appending.ConfigureAwait(false);
        if (isAppended && logged is not null)
            LogSent(route, logged);
        return isAppended;
    }

    /// <inheritdoc cref="SendLaterAsync(PacketRoute, ValueTask{bool}, byte[])"/>
    public ValueTask<bool> SendLaterAsync(PacketRoute route, in EncodedFrame frame)
        => SendLaterAsync(route, sendQueue.AppendLaterAsync(frame, CancellationToken.None), Options.PacketLog is null ? null : PayloadOf(frame));

    private static PacketException EncodingFailed(PacketRoute route, Exception exception)
        => new($"The data for '{route.Name}' can't be encoded: {exception.Message}", exception);

    private ValueTask SendFrameAsync<TFrame>(PacketRoute route, in TFrame frame, CancellationToken cancellationToken)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        CheckSize(route, frame.Size);
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        switch (sendQueue.TryAppend(frame))
        {
            case AppendResult.Accepted:
                if (Options.PacketLog is not null)
                    LogSent(route, frame);
                return default;
            case AppendResult.Full:
                return SendLaterAsync(route, frame, cancellationToken);
            default:
                return ValueTask.FromException(new ConnectionClosedException(connection.Decision.Request!.Info));
        }
    }

    /// <summary>Throws what the caller should see if a frame of this size can't be sent.</summary>
    public static void CheckSize(PacketRoute route, int frameBytes)
    {
        if (frameBytes - WireProtocol.HeaderBytes is <= 0 or > MaxPayloadBytes)
            throw Unsendable(route, frameBytes - WireProtocol.HeaderBytes);
    }

    private static PacketException Unsendable(PacketRoute route, int length) => new(
        length == 0
            ? $"'{route.Name}' encoded to nothing; a payload is exactly one msgpack value."
            : $"The payload of '{route.Name}' has {length} bytes; the other side accepts at most {MaxPayloadBytes} ({WireProtocol.MaxLegacyFrameBytes} with the id).");

    private ValueTask SendLaterAsync<TFrame>(PacketRoute route, in TFrame frame, CancellationToken cancellationToken)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        byte[]? logged = Options.PacketLog is null ? null : PayloadOf(frame);
        return LaterAsync(sendQueue.AppendLaterAsync(frame, cancellationToken), route, logged);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask LaterAsync(ValueTask<bool> appending, PacketRoute route, byte[]? logged)
    {
        if (!await appending.ConfigureAwait(false))
            throw new ConnectionClosedException(connection.Decision.Request!.Info);
        if (logged is not null)
            LogSent(route, logged);
    }

    private void LogSent<TFrame>(PacketRoute route, in TFrame frame)
        where TFrame : struct, IOutgoingFrame, allows ref struct
        => LogSent(route, PayloadOf(frame));

    private void LogSent(PacketRoute route, byte[] payload) => Options.PacketLog!.Add(
        Options.TimeProvider.GetUtcNow(), PacketDirection.Sent, connection.Id, route, new ReadOnlySequence<byte>(payload));

    private static byte[] PayloadOf<TFrame>(in TFrame frame)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        byte[] bytes = new byte[frame.Size];
        frame.WriteTo(bytes);
        return bytes[WireProtocol.HeaderBytes..];
    }

    /// <summary>Takes the body of a frame apart: a packet id that both sides know, and one well-formed payload.</summary>
    public (PacketRoute Route, ReadOnlySequence<byte> Payload, bool HasBinaryKeys) Parse(ReadOnlyMemory<byte> raw)
    {
        if (raw.Length < WireProtocol.PacketIdBytes)
            throw new PacketException($"An encoded packet begins with {WireProtocol.PacketIdBytes} bytes of id; {raw.Length} were given.");
        int wireId = (raw.Span[0] << 8) | raw.Span[1];
        if (Routes is not { } routes)
            throw NotMade($"the packet id {wireId}");
        if (!routes.TryGetByWireId(wireId, out PacketRoute? route))
            throw new PacketException($"The packet id {wireId} was not agreed on with the other side of {connection}.");
        var payload = new ReadOnlySequence<byte>(raw[WireProtocol.PacketIdBytes..]);
        try
        {
            return (route, payload, PayloadScanner.Scan(payload, Options.MaxDepth, Options.MaxItemsPerPacket));
        }
        catch (ProtocolException exception)
        {
            throw new PacketException($"The payload for '{route.Name}' is not a msgpack value: {exception.Message}", exception);
        }
    }
}
