using System.Buffers;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace PacketMQ.Wire;

/// <summary>
/// One side of one connection's conversation (protocol, "Handshake" and "Closing"): bytes in, events and reply bytes out. It
/// does no I/O and knows no time. Not safe for use by two threads at once. After a <see cref="ProtocolException"/> only
/// <see cref="Quit"/> makes sense.
/// </summary>
/// <param name="contract">What this side announces.</param>
/// <param name="limits">What it takes.</param>
/// <param name="needsApproval">Whether the id map is held back until <see cref="Approve"/>.</param>
internal sealed class Session(Contract contract, SessionLimits limits, bool needsApproval = false)
{
    // The limits of payloads are about applications. A handshake needs a depth of 2, whatever they are, and its number of values is
    // bounded by the length of its frames and by the number of names.
    private const int MaxHandshakeDepth = 64;
    private const int MaxHandshakeItems = int.MaxValue;

    private int _maxFrameBytes = limits.MaxHandshakeFrameBytes;
    private PeerNames _peerNames = PeerNames.None;
    private bool _saidFarewell;

    public SessionState State { get; private set; }

    /// <summary>Set when the other side's id map was accepted.</summary>
    public Agreement? Agreement { get; private set; }

    /// <summary>The names that the other side listed, without the four control packets; empty before.</summary>
    public ImmutableArray<string> PeerPacketNames => _peerNames.ApplicationNames;

    /// <summary>About how many bytes this keeps of names that only the other side has.</summary>
    public int ForeignNameBytes => _peerNames.ForeignBytes + (Agreement?.OnlyThereBytes ?? 0);

    /// <summary>Says the first word. Both sides do, in no order.</summary>
    public void Start(IBufferWriter<byte> output) => ControlPackets.WriteInit(output);

    /// <summary>
    /// Reads up to the next event. Control packets are consumed on the way, and answered.
    /// </summary>
    /// <param name="input">What was received and not read yet; afterwards what is still unread. An event's payload is a slice of it.</param>
    /// <param name="output">Where answers go.</param>
    /// <param name="e">The event.</param>
    /// <returns><see langword="false"/>: there is no event before more bytes come.</returns>
    /// <exception cref="ProtocolException">The other side broke the protocol: nothing more is read.</exception>
    public bool TryRead(ref ReadOnlySequence<byte> input, IBufferWriter<byte> output, out SessionEvent e)
    {
        e = default;
        if (TryReadPacket(input.FirstSpan, out int frameBytes, out e.PacketId, out e.HasBinaryKeys))
        {
            e.Kind = SessionEventKind.Packet;
            e.Payload = FrameReader.TakePayload(ref input, frameBytes);
            return true;
        }

        return TryReadAny(ref input, output, ref e);
    }

    /// <summary>
    /// Reads an application packet that lies in one piece at the beginning of <paramref name="bytes"/>. For those who walk along
    /// a buffer of their own: <see langword="false"/> means that <see cref="TryRead"/> must look at these bytes.
    /// </summary>
    /// <param name="bytes">What was received and not read yet.</param>
    /// <param name="frameBytes">How many bytes to go on; the payload is what follows the first <see cref="WireProtocol.HeaderBytes"/> of them.</param>
    /// <param name="packetId">16 to 65 535.</param>
    /// <param name="hasBinaryKeys">See <see cref="SessionEvent.HasBinaryKeys"/>.</param>
    /// <exception cref="ProtocolException">The other side broke the protocol: nothing more is read.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryReadPacket(ReadOnlySpan<byte> bytes, out int frameBytes, out int packetId, out bool hasBinaryKeys)
    {
        hasBinaryKeys = false;
        if (State == SessionState.Active
            && FrameReader.TryPeek(bytes, _maxFrameBytes, out frameBytes, out packetId)
            && packetId >= WireProtocol.FirstApplicationId)
        {
            ReadOnlySpan<byte> payload = bytes[WireProtocol.HeaderBytes..frameBytes];
            hasBinaryKeys = !PayloadScanner.IsLoneBinary(payload) && ScanPayload(payload);
            return true;
        }

        RefuseFault(bytes);
        frameBytes = 0;
        packetId = 0;
        return false;
    }

    private bool ScanPayload(ReadOnlySpan<byte> payload)
    {
        try
        {
            return PayloadScanner.Scan(payload, limits.MaxDepth, limits.MaxItemsPerPacket);
        }
        catch (ProtocolException)
        {
            State = SessionState.Closed;
            throw;
        }
    }

    // What does not lie whole in these bytes, or is no packet, may be a frame that is refused at sight of its header.
    private void RefuseFault(ReadOnlySpan<byte> bytes)
    {
        if (State != SessionState.Active)
            return;
        try
        {
            FrameReader.TryRead(bytes, _maxFrameBytes, out _, out _);
        }
        catch (ProtocolException)
        {
            State = SessionState.Closed;
            throw;
        }
    }

    private bool TryReadAny(ref ReadOnlySequence<byte> input, IBufferWriter<byte> output, ref SessionEvent e)
    {
        try
        {
            while (State != SessionState.Closed)
            {
                bool isFirstFrame = State == SessionState.AwaitInit;
                if (!FrameReader.TryRead(ref input, _maxFrameBytes, isFirstFrame, out int packetId, out ReadOnlySequence<byte> payload))
                    return false;
                bool isActive = State == SessionState.Active;
                bool hasBinaryKeys = isActive
                    ? PayloadScanner.Scan(payload, limits.MaxDepth, limits.MaxItemsPerPacket)
                    : PayloadScanner.Scan(payload, MaxHandshakeDepth, MaxHandshakeItems);
                if (isActive && packetId >= WireProtocol.FirstApplicationId)
                {
                    e.Kind = SessionEventKind.Packet;
                    e.PacketId = packetId;
                    e.Payload = payload;
                    e.HasBinaryKeys = hasBinaryKeys;
                    return true;
                }

                if (Take(packetId, payload, output, ref e))
                    return true;
            }

            input = input.Slice(input.End);
            return false;
        }
        catch (ProtocolException)
        {
            State = SessionState.Closed;
            throw;
        }
    }

    /// <summary>
    /// The state table: whatever is not in it breaks the protocol. (Application packets once active are the caller's row.)
    /// </summary>
    private bool Take(int packetId, in ReadOnlySequence<byte> payload, IBufferWriter<byte> output, ref SessionEvent e)
    {
        switch (State, packetId)
        {
            case (SessionState.AwaitInit, WireProtocol.InitId):
                ControlPackets.ReadInit(payload);
                Enter(SessionState.AwaitApproval, limits.MaxIdMapFrameBytes);
                if (!needsApproval)
                {
                    Approve(output);
                    return false;
                }

                e.Kind = SessionEventKind.Introduced;
                return true;

            case (SessionState.AwaitIdMap, WireProtocol.IdMapId):
                Agreement = AgreeOn(payload);
                ControlPackets.WriteFinish(output);
                Enter(SessionState.AwaitFinish, limits.MaxHandshakeFrameBytes);
                return false;

            case (SessionState.AwaitFinish, WireProtocol.FinishId):
                Enter(SessionState.Active, limits.MaxFrameBytes);
                e.Kind = SessionEventKind.Activated;
                return true;

            case (_, WireProtocol.SoftQuitId):
                _saidFarewell = true; // the other side waits for the end of the stream, not for an answer
                Enter(SessionState.Closed, 0);
                e.Kind = SessionEventKind.Quit;
                e.Reason = ControlPackets.ReadSoftQuit(payload);
                return true;

            case (SessionState.AwaitApproval, _):
                return false; // read only to find out how the other side ends, because nobody waits for approval any more

            default:
                RefuseUnexpected(packetId);
                return false;
        }
    }

    /// <summary>Goes on with the handshake after <see cref="SessionEventKind.Introduced"/>: tells the other side our packets.</summary>
    public void Approve(IBufferWriter<byte> output)
    {
        if (State != SessionState.AwaitApproval)
            throw new InvalidOperationException($"There is nothing to approve in state {State}.");
        ControlPackets.WriteIdMap(output, contract);
        Enter(SessionState.AwaitIdMap, limits.MaxIdMapFrameBytes);
    }

    /// <summary>Says farewell, once. From then on all input is discarded: a frame behind the end of a conversation means nothing.</summary>
    public void Quit(CloseReason reason, IBufferWriter<byte> output)
    {
        Enter(SessionState.Closed, 0);
        if (_saidFarewell)
            return;
        _saidFarewell = true;
        ControlPackets.WriteSoftQuit(output, reason);
    }

    /// <summary>Tells the session that nothing comes after <paramref name="rest"/>, of which <see cref="TryRead"/> made nothing.</summary>
    /// <exception cref="ProtocolException">The stream ended inside a frame.</exception>
    public void EndOfInput(in ReadOnlySequence<byte> rest)
    {
        if (State == SessionState.Closed || rest.IsEmpty)
            return;
        Enter(SessionState.Closed, 0);
        throw new ProtocolException(
            CloseReason.TruncatedFrame, $"The other side ended the stream inside a frame; the last {rest.Length} bytes belong to nothing.");
    }

    /// <summary>The names that only one side has, for when the other side quits because of them.</summary>
    public NameDifference CompareNames() => _peerNames.Compare();

    private Agreement AgreeOn(in ReadOnlySequence<byte> idMap)
    {
        if (contract.LastAccepted is not { } last || !last.Is(idMap, limits))
        {
            Agreement agreement = AgreeOn(IdMap.Read(idMap, limits.MaxPacketTypes));
            last = contract.LastAccepted = new AcceptedIdMap(idMap.ToArray(), limits, _peerNames, agreement);
        }

        _peerNames = last.PeerNames;
        return last.Agreement;
    }

    private Agreement AgreeOn(IdMap there)
    {
        NameDifference difference = NameDifference.Between(contract, there);
        _peerNames = PeerNames.Of(contract, there, difference);
        if (there.AdaptsPacketIds == contract.AdaptsPacketIds)
        {
            throw new ProtocolException(
                CloseReason.SameAdaptivePolicy,
                contract.AdaptsPacketIds ? "Both sides want to adapt their packet ids; one must keep its own." : "Neither side adapts its packet ids; one must.");
        }

        if (!contract.AdaptsPacketIds)
            return Agreement.OnOwnIds(contract);
        if (!difference.IsEmpty && !limits.AllowUnequalPackets)
        {
            throw new ProtocolException(CloseReason.NonEqualPackets, difference.Describe())
            {
                MissingHere = difference.MissingHere,
                MissingThere = difference.MissingThere,
            };
        }

        return Agreement.OnTheirIds(contract, there, difference);
    }

    private void Enter(SessionState state, int maxFrameBytes) => (State, _maxFrameBytes) = (state, maxFrameBytes);

    [DoesNotReturn]
    private void RefuseUnexpected(int packetId)
    {
        string name = WireProtocol.ControlPackets.FirstOrDefault(packet => packet.Id == packetId).Name ?? "not a control packet";
        string expected = State switch
        {
            SessionState.AwaitInit => $"'{WireProtocol.ControlPackets[WireProtocol.InitId].Name}' must come first",
            SessionState.AwaitIdMap => $"'{WireProtocol.ControlPackets[WireProtocol.IdMapId].Name}' must come next",
            SessionState.AwaitFinish => $"'{WireProtocol.ControlPackets[WireProtocol.FinishId].Name}' must come next",
            _ => $"after the handshake only ids from {WireProtocol.FirstApplicationId} and a softquit may come",
        };
        throw new ProtocolException(CloseReason.UnexpectedPacket, $"The packet {packetId} ({name}) came in state {State}: {expected}.");
    }
}
