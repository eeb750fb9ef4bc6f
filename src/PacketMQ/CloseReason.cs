namespace PacketMQ;

/// <summary>
/// Why a connection ended: a dotted name such as <c>reason.unknown</c>. The list is open, as on the wire (protocol, "Closing"):
/// the members here are the ones that this library gives, an application adds its own with <see cref="CloseReason(string)"/>.
/// </summary>
/// <remarks>A default instance equals <see cref="Unknown"/>. <c>docs/closing-and-errors.md</c> tells what each one means and what each end sees.</remarks>
public readonly record struct CloseReason
{
    /// <summary>The longest name of a reason, in bytes; a peer's longer one is read as <see cref="Unknown"/>.</summary>
    public const int MaxNameLength = 256;

    private readonly string? _name;

    // For the names below, which need no check.
    private CloseReason(string name, bool wellKnown)
        => _name = wellKnown ? name : throw new ArgumentOutOfRangeException(nameof(wellKnown));

    /// <summary>Makes a reason of an application's own.</summary>
    /// <param name="name">1 to <see cref="MaxNameLength"/> printable ASCII characters, by convention dotted: <c>reason.kicked</c>.</param>
    /// <exception cref="ArgumentException"><paramref name="name"/> is empty, too long or holds other characters.</exception>
    public CloseReason(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!IsValidName(name))
        {
            throw new ArgumentException(
                $"The close reason '{PrintableText.Escape(name)}' must be 1 to {MaxNameLength} printable ASCII characters.", nameof(name));
        }

        _name = name;
    }

    /// <summary>The dotted name, as it goes over the wire.</summary>
    public string Name => _name ?? "reason.unknown";

    /// <summary>No reason was given.</summary>
    public static CloseReason Unknown => new("reason.unknown", true);

    /// <summary>The reason that Python's memory peers give.</summary>
    public static CloseReason Generic => new("reason.generic", true);

    /// <summary>The other side speaks another version of the protocol.</summary>
    public static CloseReason VersionMismatch => new("reason.versionmismatch", true);

    /// <summary>Both sides adapt their packet ids, or neither does.</summary>
    public static CloseReason SameAdaptivePolicy => new("reason.sameadaptivepolicy", true);

    /// <summary>The sides registered different packet names; <see cref="CloseInfo.MissingHere"/> and <see cref="CloseInfo.MissingThere"/> list them.</summary>
    public static CloseReason NonEqualPackets => new("reason.nonequalpackets", true);

    /// <summary>The peer stopped: <see cref="Peer.StopAsync"/> or its disposal.</summary>
    public static CloseReason Shutdown => new("reason.shutdown", true);

    /// <summary>The application cut the connection with <see cref="Connection.Abort"/>.</summary>
    public static CloseReason Aborted => new("reason.aborted", true);

    /// <summary>The other side ended the stream between two frames without a softquit.</summary>
    public static CloseReason Disconnected => new("reason.disconnected", true);

    /// <summary>The other side ended the stream inside a frame: what it was sending is lost.</summary>
    public static CloseReason TruncatedFrame => new("reason.truncatedframe", true);

    /// <summary>
    /// The other side's TLS stream ended between two frames without a farewell: its program died, or somebody on the network has cut the
    /// connection.
    /// </summary>
    public static CloseReason TruncatedStream => new("reason.truncatedstream", true);

    /// <summary>The transport failed: a reset, an unreachable network, an error of the socket.</summary>
    public static CloseReason ConnectionReset => new("reason.connectionreset", true);

    /// <summary>No connection could be made: nobody listens there, the name is unknown, the network does not answer.</summary>
    public static CloseReason Unreachable => new("reason.unreachable", true);

    /// <summary>The handshake was not through within <see cref="PeerOptions.HandshakeTimeout"/>, or its TLS part within <see cref="TlsOptions.HandshakeTimeout"/>.</summary>
    public static CloseReason HandshakeTimeout => new("reason.handshaketimeout", true);

    /// <summary>TLS failed: no common version or protocol, no certificate for the name, a broken record. The description says which.</summary>
    public static CloseReason TlsFailed => new("reason.tlsfailed", true);

    /// <summary>What came to a peer that speaks TLS was not TLS.</summary>
    public static CloseReason TlsRequired => new("reason.tlsrequired", true);

    /// <summary>One side refused the other's certificate, or did not get one. The description says whose, and why.</summary>
    public static CloseReason CertificateRefused => new("reason.certificaterefused", true);

    /// <summary>One side's <see cref="PeerOptions.Authenticate"/> refused the other.</summary>
    public static CloseReason AuthenticationFailed => new("reason.authenticationfailed", true);

    /// <summary>A packet came that its <see cref="PacketGuard"/> does not permit.</summary>
    public static CloseReason NotPermitted => new("reason.notpermitted", true);

    /// <summary>A frame was begun and then arrived slower than <see cref="PeerOptions.MinReceiveRate"/>.</summary>
    public static CloseReason StalledFrame => new("reason.stalledframe", true);

    /// <summary>The other side took nothing for <see cref="PeerOptions.SendTimeout"/> while data was waiting for it.</summary>
    public static CloseReason SlowConsumer => new("reason.slowconsumer", true);

    /// <summary>
    /// There is no room for the connection: <see cref="PeerOptions.MaxConnections"/>, <see cref="PeerOptions.MaxPendingHandshakes"/>,
    /// <see cref="PeerOptions.MaxPendingHandshakesPerAddress"/> or <see cref="PeerOptions.MaxTotalBufferedBytes"/> is reached.
    /// </summary>
    public static CloseReason Overloaded => new("reason.overloaded", true);

    /// <summary>A frame's length is above the limit of the connection's state.</summary>
    public static CloseReason FrameTooLarge => new("reason.frametoolarge", true);

    /// <summary>A frame's length has no room for the packet id.</summary>
    public static CloseReason FrameTooSmall => new("reason.frametoosmall", true);

    /// <summary>A payload is not exactly one well-formed msgpack value.</summary>
    public static CloseReason MalformedPayload => new("reason.malformedpayload", true);

    /// <summary>A payload nests deeper than <see cref="PeerOptions.MaxDepth"/>.</summary>
    public static CloseReason DepthExceeded => new("reason.depthexceeded", true);

    /// <summary>A payload has more values than <see cref="PeerOptions.MaxItemsPerPacket"/>, or dynamic ones that take more memory than <see cref="PeerOptions.MaxDynamicExpansion"/> allows.</summary>
    public static CloseReason TooManyItems => new("reason.toomanyitems", true);

    /// <summary>A map in a payload has the same key twice.</summary>
    public static CloseReason DuplicateKey => new("reason.duplicatekey", true);

    /// <summary>A well-formed payload does not fit the type that is registered for its packet.</summary>
    public static CloseReason TypeMismatch => new("reason.typemismatch", true);

    /// <summary>A control packet of the handshake lacks a field or has one of another type.</summary>
    public static CloseReason BadHandshake => new("reason.badhandshake", true);

    /// <summary>A packet came in a state in which the protocol does not allow it.</summary>
    public static CloseReason UnexpectedPacket => new("reason.unexpectedpacket", true);

    /// <summary>A packet id came that the handshake did not agree on.</summary>
    public static CloseReason UnknownPacket => new("reason.unknownpacket", true);

    /// <summary>The peer's id map has an id twice, or one that is no id.</summary>
    public static CloseReason IdMapInvalid => new("reason.idmapinvalid", true);

    /// <summary>The peer's id map gives a reserved id to an application's packet, or another id to a control packet.</summary>
    public static CloseReason ReservedId => new("reason.reservedid", true);

    /// <summary>The peer's id map lists more than <see cref="PeerOptions.MaxPacketTypes"/> names.</summary>
    public static CloseReason TooManyPackets => new("reason.toomanypackets", true);

    /// <summary>The peer's id map has a name that is empty, too long or not printable ASCII.</summary>
    public static CloseReason NameInvalid => new("reason.nameinvalid", true);

    /// <summary>A handler threw, and <see cref="PeerOptions.HandlerFailure"/> says that this ends the connection.</summary>
    public static CloseReason HandlerFailed => new("reason.handlerfailed", true);

    /// <summary>An error of this library itself. It is logged with its exception; please report it.</summary>
    public static CloseReason InternalError => new("reason.internalerror", true);

    /// <summary>Reads a reason from its dotted name.</summary>
    /// <param name="name">See <see cref="CloseReason(string)"/>.</param>
    public static implicit operator CloseReason(string name) => new(name);

    /// <summary>Tells whether <paramref name="name"/> could be a reason's name.</summary>
    internal static bool IsValidName(ReadOnlySpan<char> name)
        => name.Length is > 0 and <= MaxNameLength && !name.ContainsAnyExceptInRange(' ', '~');

    /// <summary>Equal reasons have equal names.</summary>
    public bool Equals(CloseReason other) => Name == other.Name;

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>The dotted name.</summary>
    public override string ToString() => Name;
}
