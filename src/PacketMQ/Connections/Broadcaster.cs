using PacketMQ.Dispatch;
using PacketMQ.Serialization;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// Sends packets to all connections of a peer: encoded once, into memory that all queues send from. A connection on which the packet has
/// another id gets a copy with that id.
/// </summary>
internal sealed class Broadcaster(Peer peer, ConnectionTable connections)
{
    private const int ChunkBytes = 128 * 1024;

    private readonly Lock _gate = new(); // guards the filling, not the sending
    private SharedFrames? _frames;
    private bool _wasUsed; // since the last heartbeat

    public ValueTask<int> SendAsync(PacketKey packet, object? data, CancellationToken cancellationToken)
    {
        if (FindFirst(packet) is not { } first)
            return new ValueTask<int>(0);
        using PayloadBuffer payload = first.Sender.Encode(first.Route, data);
        return SendAsync(packet, first, new EncodedFrame(first.Route.WireId, payload.WrittenSpan), cancellationToken);
    }

    public ValueTask<int> SendAsync<T>(Packet<T> packet, T data, CancellationToken cancellationToken)
    {
        if (FindFirst(packet) is not { } first)
            return new ValueTask<int>(0);
        using PayloadBuffer payload = first.Sender.Encode(first.Route, packet, data);
        return SendAsync(packet, first, new EncodedFrame(first.Route.WireId, payload.WrittenSpan), cancellationToken);
    }

    public ValueTask<int> SendAsync(BinaryPacket packet, ReadOnlySpan<byte> data, CancellationToken cancellationToken)
        => FindFirst(packet) is { } first
            ? SendAsync(packet, first, new BinaryFrame(first.Route.WireId, data), cancellationToken)
            : new ValueTask<int>(0);

    /// <summary>Called by the heartbeat: memory is not kept for broadcasts that are over.</summary>
    public void ReleaseUnused()
    {
        lock (_gate)
        {
            if (!_wasUsed)
            {
                _frames?.Release();
                _frames = null;
            }

            _wasUsed = false;
        }
    }

    private (PacketSender Sender, PacketRoutes Routes, PacketRoute Route)? FindFirst(PacketKey packet)
    {
        PacketRoute? forbidden = null;
        foreach (Connection connection in connections.Snapshot())
        {
            if (connection.Sender.Routes is not { } routes || connection.IsEnding || !routes.TryFind(packet, out PacketRoute? route))
                continue;
            if (route.SendFault is null)
                return (connection.Sender, routes, route);
            forbidden = route;
        }

        if (forbidden is not null)
            throw new PacketException($"The packet '{forbidden.Name}' can't be sent on any connection: it {forbidden.SendFault}.");
        // Nobody is there; but a packet that nobody could ever get is the caller's mistake.
        if (!peer.Registry.TryGetName(packet, out string? name))
            throw new PacketException($"The packet {packet} is not registered.");
        if (peer.Registry.GetId(packet) < PacketRegistry.MinPacketId)
            throw new PacketException($"'{name}' belongs to the protocol and can't be sent by an application.");
        return null;
    }

    private ValueTask<int> SendAsync<TFrame>(
        PacketKey packet, (PacketSender Sender, PacketRoutes Routes, PacketRoute Route) first, in TFrame frame, CancellationToken cancellationToken)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        PacketSender.CheckSize(first.Route, frame.Size);
        cancellationToken.ThrowIfCancellationRequested();
        (SharedFrames frames, int start) = Share(frame);
        int size = frame.Size;
        int receivers = 0;
        int missed = 0;
        List<ValueTask<bool>>? waiting = null;
        try
        {
            foreach (Connection connection in connections.Snapshot())
            {
                PacketSender sender = connection.Sender;
                PacketRoute? route = first.Route;
                if (sender.Routes is not { } routes || connection.IsEnding || (!ReferenceEquals(routes, first.Routes) && !routes.TryFind(packet, out route)))
                    continue;
                if (route.SendFault is not null)
                    continue; // its guard forbids it here
                AppendResult result = route.WireId == first.Route.WireId
                    ? sender.TrySendShared(route, frames, start, size)
                    : sender.TrySend(route, new EncodedFrame(route.WireId, PayloadOf(frames, start, size)));
                if (result == AppendResult.Closed)
                    continue;
                receivers++;
                if (result == AppendResult.Accepted)
                    continue;
                if (peer.Options.SlowReceiver == SlowReceiverAction.Queue)
                {
                    (waiting ??= []).Add(sender.SendLaterAsync(route, new EncodedFrame(route.WireId, PayloadOf(frames, start, size))));
                    continue;
                }

                missed++;
                if (peer.Options.SlowReceiver == SlowReceiverAction.Close)
                    connection.RequestClose(CloseReason.SlowConsumer, "It had no room for a broadcast.", Farewell.Cut);
            }
        }
        finally
        {
            frames.Release();
        }

        int reached = receivers - missed;
        return waiting is null ? new ValueTask<int>(reached) : PaceAsync(waiting, receivers, cancellationToken);
    }

    private (SharedFrames Frames, int Start) Share<TFrame>(in TFrame frame)
        where TFrame : struct, IOutgoingFrame, allows ref struct
    {
        lock (_gate)
        {
            _wasUsed = true;
            if (_frames is null || _frames.FreeBytes < frame.Size)
            {
                _frames?.Release();
                _frames = new SharedFrames(ChunkBytes);
            }

            _frames.AddReference();
            return (_frames, _frames.Append(frame));
        }
    }

    private static ReadOnlySpan<byte> PayloadOf(SharedFrames frames, int start, int size)
        => frames.Slice(start + WireProtocol.HeaderBytes, size - WireProtocol.HeaderBytes).Span;

    // Who broadcasts faster than most receivers take it waits for the faster half of them. The others have their own bounds.
    private static async ValueTask<int> PaceAsync(List<ValueTask<bool>> waiting, int receivers, CancellationToken cancellationToken)
    {
        var pace = new BroadcastPace(waiting.Count - (receivers / 2));
        foreach (ValueTask<bool> appending in waiting)
            _ = pace.FollowAsync(appending); // never fails; the queue that it waits in ends it at the latest
        await pace.Reached.WaitAsync(cancellationToken).ConfigureAwait(false);
        return receivers;
    }
}

/// <summary>Waits until so many of a broadcast's receivers have room again.</summary>
internal sealed class BroadcastPace
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _left;

    public BroadcastPace(int count)
    {
        _left = count;
        if (count <= 0)
            _reached.SetResult();
    }

    public Task Reached => _reached.Task;

    public async Task FollowAsync(ValueTask<bool> appending)
    {
        await appending.ConfigureAwait(false);
        if (Interlocked.Decrement(ref _left) == 0)
            _reached.TrySetResult();
    }
}
