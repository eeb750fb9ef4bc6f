using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ;

/// <summary>
/// Everything about a <see cref="Peer"/> that can be set. The defaults are safe for a server that faces a network. Checked once,
/// when the peer is made: zero and negative values are refused, and where "unlimited" is possible it is <see langword="null"/>.
/// </summary>
/// <remarks>Lengths of frames count the packet id (2 bytes) and the payload, as the length field on the wire does.</remarks>
public sealed record PeerOptions
{
    /// <summary>The largest control frame that is read, the id map excepted. Bytes; 64 to 1 073 741 824; default 4 096.</summary>
    public int MaxHandshakeFrameBytes { get; init; } = 4_096;

    /// <summary>The largest id map (PUBIDS) that is read. Bytes; 64 to 1 073 741 824; default 99 999, the most that a Python peer can send.</summary>
    public int MaxIdMapFrameBytes { get; init; } = 99_999;

    /// <summary>The largest application frame that is read. Bytes; 64 to 1 073 741 824; default 1 048 576.</summary>
    public int MaxFrameBytes { get; init; } = 1_048_576;

    /// <summary>How deep arrays and maps may nest in a payload that is received. 1 to 256; default 64, which is also how deep a payload that is sent may nest, and how deep a <see cref="Packet{T}"/> reads.</summary>
    public int MaxDepth { get; init; } = 64;

    /// <summary>How many msgpack values one payload may hold, containers, keys and elements all counted. Default 65 536.</summary>
    public int MaxItemsPerPacket { get; init; } = 65_536;

    /// <summary>
    /// How many times its payload's bytes, and 64 KiB more, the dynamic values of one packet may take as objects, those in typed payloads included;
    /// <see langword="null"/>: any number of times. A packet that would take more is refused, as <see cref="CloseReason.TooManyItems"/>, before the
    /// memory is used. 1 and up; default 16. Typed data itself is not counted: what a type costs is its author's choice.
    /// </summary>
    public int? MaxDynamicExpansion { get; init; } = Serialization.DynamicAllowance.DefaultExpansion;

    /// <summary>How many names the other side's id map may list. 4 to 65 536; default 4 096.</summary>
    public int MaxPacketTypes { get; init; } = 4_096;

    /// <summary>How long a connection may take from its beginning (a server's: from its acceptance) to the end of the handshake, <see cref="Authenticate"/> included. Default 10 s; looked at once a second.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The slowest average rate, in bytes a second, at which the rest of a begun frame may arrive, or of a TLS record; <see langword="null"/>
    /// switches the check off. Default 240. It is the average over <see cref="MinReceiveRateGracePeriod"/>, again and again until the frame is whole.
    /// </summary>
    public int? MinReceiveRate { get; init; } = 240;

    /// <summary>
    /// How long a frame may be incomplete before <see cref="MinReceiveRate"/> counts, and over how long that is the average. A frame that
    /// stands still is found within twice this time. Default 5 s.
    /// </summary>
    public TimeSpan MinReceiveRateGracePeriod { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long each step of ending a connection may take: a handler that still runs, the last bytes, the other side's own end.
    /// After that the transport is cut. Default 5 s.
    /// </summary>
    public TimeSpan CloseTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How many bytes may wait for the transport on one connection; a send that finds more waits. At least 99 999 + 4; default 1 048 576.</summary>
    public int MaxPendingSendBytes { get; init; } = 1_048_576;

    /// <summary>
    /// How many bytes of payload may wait behind <see cref="MaxPendingSendBytes"/>, in sends that nobody awaits before the next. One more ends
    /// the connection as <see cref="CloseReason.SlowConsumer"/>. At least 99 999; default 8 388 608.
    /// </summary>
    public int MaxWaitingSendBytes { get; init; } = 8_388_608;

    /// <summary>How many sends may wait so, however small. One more ends the connection as <see cref="CloseReason.SlowConsumer"/>. Default 16 384.</summary>
    public int MaxWaitingSends { get; init; } = 16_384;

    /// <summary>
    /// How long the other side may take nothing while data waits for it, before the connection ends as
    /// <see cref="CloseReason.SlowConsumer"/>. Over TCP on Linux each byte counts that it has acknowledged; elsewhere what the system took, which is
    /// coarser, and on other streams whole writes of 64 KiB. <see langword="null"/>: for ever; but over TCP on Linux the system gives up after 30 s,
    /// whatever stands here, as <see cref="CloseReason.ConnectionReset"/>. Default 10 s; looked at once a second.
    /// </summary>
    public TimeSpan? SendTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What a broadcast does with a connection that has no room for it. Default <see cref="SlowReceiverAction.Queue"/>.</summary>
    public SlowReceiverAction SlowReceiver { get; init; }

    /// <summary>How many bytes are read ahead while a handler is still busy; then reading stops until it returns. Default 1 048 576.</summary>
    public int MaxReadAheadBytes { get; init; } = 1_048_576;

    /// <summary>
    /// How long a connection asks its socket for more, again and again, before it waits for it: up to 1 ms. Zero (default): not at all. Some
    /// 20 µs made the answers of a lively conversation come in about half of the time, because no thread has to be woken for them;
    /// the price is a processor that is busy while it asks, after every packet. At most half of the processors do so at once, whatever the
    /// number of connections. For TCP and Unix domain sockets, with and without TLS.
    /// </summary>
    public TimeSpan ReceiveSpin { get; init; }

    /// <summary>
    /// How many connections the peer may have at once, those in their handshake and those that are ending included; <see langword="null"/>:
    /// any number. One more is closed at once, as <see cref="CloseReason.Overloaded"/>. Default 65 536, or on Linux 80 % of the open files that
    /// the process may have, less 128 at least, if that is less.
    /// </summary>
    public int? MaxConnections { get; init; } = DescriptorLimit.DefaultMaxConnections;

    /// <summary>
    /// How many connections that others opened may be in their handshake at once; <see langword="null"/>: any number. One more is closed at
    /// once, as <see cref="CloseReason.Overloaded"/>. Default 1 024.
    /// </summary>
    public int? MaxPendingHandshakes { get; init; } = 1_024;

    /// <summary>
    /// How many of them may come from one address, which for IPv6 is a network of 64 bits; <see langword="null"/>: any number. Who
    /// comes over a loopback address or a Unix socket is not counted. Default 64.
    /// </summary>
    public int? MaxPendingHandshakesPerAddress { get; init; } = 64;

    /// <summary>
    /// How many bytes all socket connections of the process may hold in their buffers, and all connections in the dynamic values that their
    /// handlers are busy with; <see langword="null"/>: any number. From seven eighths of it this peer takes no new connections; above it, and
    /// once it has turned others away for ten seconds, it closes those of its own that hold the most, as <see cref="CloseReason.Overloaded"/>. At least each of
    /// <see cref="MaxHandshakeFrameBytes"/>, <see cref="MaxIdMapFrameBytes"/>, <see cref="MaxFrameBytes"/>, <see cref="MaxPendingSendBytes"/> and
    /// <see cref="MaxReadAheadBytes"/>; default a quarter of the memory that the garbage collector may use, and at least 16 MiB.
    /// </summary>
    public long? MaxTotalBufferedBytes { get; init; } = Math.Max(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4, 16 * 1024 * 1024);

    /// <summary>How many connections the system may hold back for a listener. Default 512.</summary>
    public int AcceptBacklog { get; init; } = 512;

    /// <summary>What the adapting side does when the two registries have different names. Default <see cref="PacketMismatch.Refuse"/>.</summary>
    public PacketMismatch PacketMismatch { get; init; }

    /// <summary>
    /// With <see cref="PacketMismatch.Allow"/>: the packet that stands, on each connection, for the names which only the other side
    /// registered, so that they can be sent and received by name. <see langword="null"/> (default): such names can't be sent, and what comes under them is skipped.
    /// </summary>
    public Packet? FallbackPacket { get; init; }

    /// <summary>What happens when a packet id comes that this side does not know. Default <see cref="RefusalAction.Close"/>.</summary>
    public RefusalAction UnknownPacket { get; init; }

    /// <summary>What happens when a well-formed payload does not fit its packet's type. Default <see cref="RefusalAction.Close"/>.</summary>
    public RefusalAction UnfitPayload { get; init; }

    /// <summary>What happens to the connection when a handler throws. Default <see cref="HandlerFailureAction.Continue"/>.</summary>
    public HandlerFailureAction HandlerFailure { get; init; }

    /// <summary>
    /// Encrypts every TCP and Unix domain socket connection of the peer; <see langword="null"/> (default): they go in plain text. What is
    /// given to <see cref="Peer.AttachAsync"/> is taken as it is. Memory peers have no TLS.
    /// </summary>
    public TlsOptions? Tls { get; init; }

    /// <summary>
    /// Makes plain text an error: a peer without <see cref="Tls"/> can't be made, and <see cref="Peer.AttachAsync"/> throws, because nothing is
    /// known of such a stream. There is no exception for the loopback interface, Unix domain sockets or memory. Default
    /// <see langword="false"/>: a server or client that uses plain text beyond this machine logs one warning.
    /// </summary>
    public bool RequireTls { get; init; }

    /// <summary>
    /// Decides about each connection, in its handshake: when the other side has introduced itself (behind TLS), and before it is told this
    /// side's packets. <see langword="null"/> (default): everybody may come in who gets through TLS.
    /// </summary>
    /// <remarks>
    /// Called once for each connection, on a pool thread, for many at once. It may take its time within <see cref="HandshakeTimeout"/>; the token is
    /// cancelled then, and when the connection ends for another reason. Until it accepts, no handler or event of the connection runs,
    /// and what arrives waits. One that throws, or answers <see langword="null"/>, refuses.
    /// </remarks>
    public Func<AuthenticationContext, CancellationToken, ValueTask<AuthenticationResult>>? Authenticate { get; init; }

    /// <summary>Keeps the last packets for debugging; <see langword="null"/> (default): none are kept.</summary>
    public PacketLog? PacketLog { get; init; }

    /// <summary>Where the clock and all time-outs come from. Only its monotonic time is used for time-outs.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Where the log goes. Payloads are never logged, and text from peers is escaped and cut.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>Checks every value, and the limits against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of its range; the message names it and the range.</exception>
    internal void Validate()
    {
        const int largestFrame = 1_073_741_824;
        CheckRange(MaxHandshakeFrameBytes, 64, largestFrame, nameof(MaxHandshakeFrameBytes));
        CheckRange(MaxIdMapFrameBytes, 64, largestFrame, nameof(MaxIdMapFrameBytes));
        CheckRange(MaxFrameBytes, 64, largestFrame, nameof(MaxFrameBytes));
        CheckRange(MaxDepth, 1, 256, nameof(MaxDepth));
        CheckRange(MaxItemsPerPacket, 1, int.MaxValue, nameof(MaxItemsPerPacket));
        CheckRange(MaxDynamicExpansion ?? 1, 1, int.MaxValue, nameof(MaxDynamicExpansion));
        CheckRange(MaxPacketTypes, 4, 65_536, nameof(MaxPacketTypes));
        CheckRange(MinReceiveRate ?? 1, 1, int.MaxValue, nameof(MinReceiveRate));
        CheckRange(MaxPendingSendBytes, WireProtocol.MaxLegacyFrameBytes + WireProtocol.LengthBytes, largestFrame, nameof(MaxPendingSendBytes));
        CheckRange(MaxWaitingSendBytes, WireProtocol.MaxLegacyFrameBytes, largestFrame, nameof(MaxWaitingSendBytes));
        CheckRange(MaxWaitingSends, 1, int.MaxValue, nameof(MaxWaitingSends));
        CheckRange(MaxReadAheadBytes, 1, largestFrame, nameof(MaxReadAheadBytes));
        CheckRange(MaxConnections ?? 1, 1, int.MaxValue, nameof(MaxConnections));
        CheckRange(MaxPendingHandshakes ?? 1, 1, int.MaxValue, nameof(MaxPendingHandshakes));
        CheckRange(MaxPendingHandshakesPerAddress ?? 1, 1, int.MaxValue, nameof(MaxPendingHandshakesPerAddress));
        CheckBudget(MaxHandshakeFrameBytes, nameof(MaxHandshakeFrameBytes));
        CheckBudget(MaxIdMapFrameBytes, nameof(MaxIdMapFrameBytes));
        CheckBudget(MaxFrameBytes, nameof(MaxFrameBytes));
        CheckBudget(MaxPendingSendBytes, nameof(MaxPendingSendBytes));
        CheckBudget(MaxReadAheadBytes, nameof(MaxReadAheadBytes));
        CheckRange(AcceptBacklog, 1, 65_535, nameof(AcceptBacklog));
        CheckTime(HandshakeTimeout, nameof(HandshakeTimeout));
        CheckTime(MinReceiveRateGracePeriod, nameof(MinReceiveRateGracePeriod));
        CheckTime(CloseTimeout, nameof(CloseTimeout));
        if (ReceiveSpin < TimeSpan.Zero || ReceiveSpin > TimeSpan.FromMilliseconds(1))
            throw new ArgumentOutOfRangeException(nameof(ReceiveSpin), ReceiveSpin, $"{nameof(ReceiveSpin)} is {ReceiveSpin}; it must be 0 to 1 ms.");
        CheckTime(SendTimeout ?? TimeSpan.FromSeconds(1), nameof(SendTimeout));
        CheckDefined(SlowReceiver, nameof(SlowReceiver));
        CheckDefined(PacketMismatch, nameof(PacketMismatch));
        CheckDefined(UnknownPacket, nameof(UnknownPacket));
        CheckDefined(UnfitPayload, nameof(UnfitPayload));
        CheckDefined(HandlerFailure, nameof(HandlerFailure));
        Tls?.Validate();
        if (RequireTls && Tls is null)
            throw new ArgumentException($"{nameof(RequireTls)} is set but {nameof(Tls)} is not: the peer would speak in plain text.", nameof(RequireTls));
        ArgumentNullException.ThrowIfNull(TimeProvider);
        ArgumentNullException.ThrowIfNull(LoggerFactory);
        if (FallbackPacket is not null && PacketMismatch != PacketMismatch.Allow)
        {
            throw new ArgumentException(
                $"{nameof(FallbackPacket)} is set but {nameof(PacketMismatch)} is {PacketMismatch}: it could never be used.", nameof(FallbackPacket));
        }
    }

    internal SessionLimits ToSessionLimits() => new()
    {
        MaxHandshakeFrameBytes = MaxHandshakeFrameBytes,
        MaxIdMapFrameBytes = MaxIdMapFrameBytes,
        MaxFrameBytes = MaxFrameBytes,
        MaxDepth = MaxDepth,
        MaxItemsPerPacket = MaxItemsPerPacket,
        MaxPacketTypes = MaxPacketTypes,
        AllowUnequalPackets = PacketMismatch == PacketMismatch.Allow,
    };

    private void CheckBudget(int limit, string option)
    {
        if (MaxTotalBufferedBytes < limit)
        {
            throw new ArgumentException(
                $"{option} is {limit}, but all connections together may buffer only {MaxTotalBufferedBytes} bytes ({nameof(MaxTotalBufferedBytes)}).",
                nameof(MaxTotalBufferedBytes));
        }
    }

    internal static void CheckRange(int value, int least, int most, string option)
    {
        if (value < least || value > most)
            throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}; it must be {least} to {most}.");
    }

    internal static void CheckDefined<T>(T value, string option)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}, which is none of {string.Join(", ", Enum.GetNames<T>())}.");
    }

    internal static void CheckTime(TimeSpan value, string option)
    {
        if (value <= TimeSpan.Zero || value > TimeSpan.FromDays(24))
            throw new ArgumentOutOfRangeException(option, value, $"{option} is {value}; it must be above zero and at most 24 days.");
    }
}
