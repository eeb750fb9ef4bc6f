using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>
/// Decides whether a peer has room for one more connection, and keeps the counts. For one that others open it looks at the
/// handshakes too, in all and for its address. May be called from any thread.
/// </summary>
internal sealed class Admission(PeerOptions options, BufferBudget budget, RepeatedLog repeated, ILogger logger)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<UInt128, int> _handshakesOf = [];
    private int _connections;
    private int _handshakes;
    private long _turnedAway;

    /// <summary>How many connections found no room.</summary>
    public long TurnedAway => Interlocked.Read(ref _turnedAway);

    /// <summary>Whether a connection that is knocking has to be turned away at once. If not, <see cref="TryEnter"/> decides.</summary>
    public bool TurnsAway(EndPoint? remoteEndPoint)
    {
        UInt128? address = AddressOf(remoteEndPoint);
        string? cause;
        lock (_gate)
            cause = FindCause(isIncoming: true, address);
        return cause is not null && Report(cause, remoteEndPoint) is not null;
    }

    /// <summary>Takes a seat for a connection.</summary>
    /// <param name="remoteEndPoint">Where it comes from.</param>
    /// <param name="isIncoming">Whether others opened it.</param>
    /// <param name="seat">Its place, to be left at its end; nothing if there is none.</param>
    /// <returns>Null, or how the connection ends before it begins.</returns>
    public CloseInfo? TryEnter(EndPoint? remoteEndPoint, bool isIncoming, out Seat seat)
    {
        seat = default;
        UInt128? address = isIncoming ? AddressOf(remoteEndPoint) : null;
        string? cause;
        lock (_gate)
        {
            cause = FindCause(isIncoming, address);
            if (cause is null)
            {
                _connections++;
                if (isIncoming)
                    _handshakes++;
                if (address is { } key)
                    CollectionsMarshal.GetValueRefOrAddDefault(_handshakesOf, key, out _)++;
                seat = new Seat(this, remoteEndPoint, isIncoming);
            }
        }

        return cause is null ? null : Report(cause, remoteEndPoint);
    }

    /// <summary>
    /// What counts as one address. IPv6: the network of 64 bits, of which whoever has one address usually has all; but within a link, where
    /// all share one, the address itself. Null: programs of this machine, among them a proxy that stands for the whole world.
    /// </summary>
    internal static UInt128? AddressOf(EndPoint? endPoint)
    {
        if (endPoint is not IPEndPoint { Address: var address } || IPAddress.IsLoopback(address))
            return null;
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        address.TryWriteBytes(bytes, out _);
        if (address.AddressFamily == AddressFamily.InterNetworkV6 && !address.IsIPv6LinkLocal)
            bytes[8..].Clear();
        else if (address.AddressFamily == AddressFamily.InterNetwork)
            bytes[15] = 4; // no IPv6 network ends so
        return MemoryMarshal.Read<UInt128>(bytes);
    }

    private string? FindCause(bool isIncoming, UInt128? address)
    {
        if (_connections >= options.MaxConnections)
            return nameof(PeerOptions.MaxConnections);
        if (budget.IsNearlySpent)
            return nameof(PeerOptions.MaxTotalBufferedBytes);
        if (isIncoming && _handshakes >= options.MaxPendingHandshakes)
            return nameof(PeerOptions.MaxPendingHandshakes);
        if (address is { } key && _handshakesOf.GetValueOrDefault(key) >= options.MaxPendingHandshakesPerAddress)
            return nameof(PeerOptions.MaxPendingHandshakesPerAddress);
        return null;
    }

    private CloseInfo Report(string option, EndPoint? remoteEndPoint)
    {
        Interlocked.Increment(ref _turnedAway);
        if (option == nameof(PeerOptions.MaxTotalBufferedBytes))
            budget.NoticeTurnedAway();
        string description = option == nameof(PeerOptions.MaxTotalBufferedBytes)
            ? $"The buffers are nearly full: {option} is {options.MaxTotalBufferedBytes}."
            : $"There are as many as allowed: {option} is {LimitOf(option)}.";
        if (repeated.IsNews(ConnectionLog.TurnedAwayId, option))
            ConnectionLog.TurnedAway(logger, PrintableText.Of(remoteEndPoint), description);
        return new CloseInfo(CloseReason.Overloaded, CloseInitiator.Local, description);
    }

    private int? LimitOf(string option) => option switch
    {
        nameof(PeerOptions.MaxConnections) => options.MaxConnections,
        nameof(PeerOptions.MaxPendingHandshakes) => options.MaxPendingHandshakes,
        _ => options.MaxPendingHandshakesPerAddress,
    };

    private void EndHandshake(UInt128? address)
    {
        _handshakes--;
        if (address is not { } key)
            return;
        ref int count = ref CollectionsMarshal.GetValueRefOrNullRef(_handshakesOf, key);
        if (Unsafe.IsNullRef(ref count))
            return; // the application has changed the end point that it can see
        if (--count == 0)
            _handshakesOf.Remove(key);
    }

    /// <summary>What one connection counts for.</summary>
    /// <remarks>A mutable struct: keep it in a field that is not readonly.</remarks>
    internal struct Seat(Admission admission, EndPoint? remoteEndPoint, bool isHandshaking)
    {
        private bool _isHandshaking = isHandshaking;
        private bool _isLeft;

        /// <summary>The handshake is through: another one may begin.</summary>
        public void EndHandshake()
        {
            UInt128? address = _isHandshaking ? AddressOf(remoteEndPoint) : null; // the end point is kept anyway
            lock (admission._gate)
            {
                if (_isHandshaking)
                    admission.EndHandshake(address);
                _isHandshaking = false;
            }
        }

        /// <summary>The connection has ended. Leaving twice is leaving once.</summary>
        public void Leave()
        {
            EndHandshake();
            lock (admission._gate)
            {
                if (!_isLeft)
                    admission._connections--;
                _isLeft = true;
            }
        }
    }
}
