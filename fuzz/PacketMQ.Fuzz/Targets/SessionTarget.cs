using System.Buffers;
using System.Text;
using PacketMQ.Wire;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// A whole conversation with a stranger. The first byte chooses the role, the limits, how far the handshake is when the bytes come, and
/// whether he needs approval and gets it; the second the slicing. However they are cut, the same events and answers come out; only a
/// <see cref="ProtocolException"/> does;
/// the states go one way; the answers are bounded.
/// </summary>
internal static class SessionTarget
{
    private const int Factor = 16;

    private static readonly Contract[] Contracts =
    [
        new(false, [new("chat", 16), new("move", 17), new("score", 300)]),
        new(true, [new("chat", 16), new("move", 17), new("score", 300)]),
        new(false, []),
        new(true, []),
    ];

    private static readonly SessionLimits[] Limits =
    [
        new(),
        new() { AllowUnequalPackets = true },
        new() { MaxHandshakeFrameBytes = 40, MaxIdMapFrameBytes = 190, MaxFrameBytes = 48, MaxDepth = 3, MaxItemsPerPacket = 8, MaxPacketTypes = 7 },
        new() { MaxFrameBytes = 48, MaxDepth = 2, MaxItemsPerPacket = 8, AllowUnequalPackets = true },
    ];

    public static void Run(ReadOnlyMemory<byte> input)
    {
        if (input.Length < 2)
            return;
        byte choice = input.Span[0];
        Contract contract = Contracts[choice & 3];
        SessionLimits limits = Limits[(choice >> 2) & 3];
        byte[] prefix = Prefix(contract, (choice >> 4) & 3);
        Approval approval = (choice & 0x40) == 0 ? Approval.NotNeeded : (choice & 0x80) == 0 ? Approval.Refused : Approval.Given;
        int way = input.Span[1];
        input = input[2..];

        string whole = Converse(contract, limits, approval, prefix, input, Slicing.Whole);
        string sliced = Converse(contract, limits, approval, prefix, input, way);
        Invariant.Holds(whole == sliced, $"Whole:\n{whole}\nsliced:\n{sliced}");
    }

    /// <summary>What a good peer would have said before: nothing, INIT, the id map too, all of the handshake.</summary>
    private static byte[] Prefix(Contract contract, int packets)
    {
        var prefix = new ArrayBufferWriter<byte>(256);
        if (packets > 0)
            ControlPackets.WriteInit(prefix);
        if (packets > 1)
            prefix.Write(Contracts[Array.IndexOf(Contracts, contract) ^ 1].IdMapFrame.Span);
        if (packets > 2)
            ControlPackets.WriteFinish(prefix);
        return prefix.WrittenSpan.ToArray();
    }

    private static string Converse(
        Contract contract, SessionLimits limits, Approval approval, byte[] prefix, ReadOnlyMemory<byte> input, int way)
    {
        List<ReadOnlyMemory<byte>> pieces = Slicing.Cut(input, way);
        long allocated = 0;
        for (int attempt = 0; attempt < MemoryBudget.Attempts; attempt++)
        {
            var conversation = new Conversation(contract, limits, approval);
            conversation.Receive(prefix);
            foreach (ReadOnlyMemory<byte> piece in pieces)
                conversation.Receive(piece);
            string log = conversation.End();
            allocated = conversation.AllocatedBytes;
            if (MemoryBudget.Allows(prefix.Length + input.Length, Factor, allocated))
                return log;
        }

        throw MemoryBudget.Exceeded(prefix.Length + input.Length, Factor, allocated);
    }

    private enum Approval
    {
        NotNeeded,
        Refused,
        Given,
    }

    /// <summary>One end of a connection, with all that must hold for it.</summary>
    private sealed class Conversation
    {
        private static readonly int MaxSoftQuitBytes = WireProtocol.HeaderBytes + 16 + CloseReason.MaxNameLength;

        private readonly Session _session;
        private readonly Contract _contract;
        private readonly SessionLimits _limits;
        private readonly Approval _approval;
        private readonly ArrayBufferWriter<byte> _output = new(256);
        private readonly StringBuilder _log = new();
        private readonly Slicing.Arrivals _arrivals = new();
        private SessionState _state;
        private bool _isActivated;
        private bool _isOver;

        /// <summary>By the session alone: what this harness remembers does not count.</summary>
        public long AllocatedBytes { get; private set; }

        public Conversation(Contract contract, SessionLimits limits, Approval approval)
        {
            _approval = approval;
            _contract = contract;
            _limits = limits;
            _session = new Session(contract, limits, needsApproval: approval != Approval.NotNeeded);
            _session.Start(_output);
        }

        public void Receive(ReadOnlyMemory<byte> bytes)
        {
            if (_isOver)
                return;
            _arrivals.Add(bytes);
            ReadOnlySequence<byte> input = _arrivals.Unread;
            try
            {
                while (true)
                {
                    long before = input.Length;
                    bool found = TryRead(ref input, out SessionEvent e);
                    CheckState();
                    if (!found)
                        break;
                    Invariant.Holds(input.Length < before, "An event took no bytes.");
                    Take(e);
                }
            }
            catch (ProtocolException e)
            {
                Refuse(e);
                return;
            }

            _arrivals.KeepFrom(input);
        }

        /// <summary>The stream ends. Returns all that came out.</summary>
        public string End()
        {
            if (!_isOver)
            {
                try
                {
                    _session.EndOfInput(_arrivals.Unread);
                }
                catch (ProtocolException e)
                {
                    Refuse(e);
                }
            }

            if (_log.Length == 0)
                return Convert.ToHexString(_output.WrittenSpan);
            return _log.Append(Convert.ToHexString(_output.WrittenSpan)).ToString();
        }

        private bool TryRead(ref ReadOnlySequence<byte> input, out SessionEvent e)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                return _session.TryRead(ref input, _output, out e);
            }
            finally
            {
                AllocatedBytes += GC.GetAllocatedBytesForCurrentThread() - before;
            }
        }

        private void Take(in SessionEvent e)
        {
            Invariant.Holds(_state != SessionState.Closed || e.Kind == SessionEventKind.Quit, "An event came out of a closed session.");
            switch (e.Kind)
            {
                case SessionEventKind.Introduced:
                    Invariant.Holds(_approval != Approval.NotNeeded && _state == SessionState.AwaitApproval, "Nobody asked for an introduction.");
                    Invariant.Holds(_session.Agreement is null && _output.WrittenCount == 17, "It said more than INIT to a stranger.");
                    if (_approval == Approval.Given)
                        _session.Approve(_output);
                    break;
                case SessionEventKind.Activated:
                    Invariant.Holds(_approval != Approval.Refused, "A stranger that was not approved came in.");
                    Invariant.Holds(!_isActivated && _state == SessionState.Active, "It was activated twice, or in no state for it.");
                    _isActivated = true;
                    CheckAgreement();
                    break;
                case SessionEventKind.Packet:
                    Invariant.Holds(_isActivated, "A packet came before the handshake was through.");
                    Invariant.Holds(e.PacketId is >= WireProtocol.FirstApplicationId and <= WireProtocol.LastApplicationId, "A packet has a control packet's id.");
                    Invariant.Holds(e.Payload.Length + WireProtocol.PacketIdBytes <= _limits.MaxFrameBytes, "A packet is larger than allowed.");
                    var reference = new ReferenceMsgpack(e.Payload.ToArray(), _limits.MaxDepth, _limits.MaxItemsPerPacket);
                    Invariant.Holds(reference.IsAccepted() && reference.HasBinaryKeys == e.HasBinaryKeys, "A packet's payload should have been refused.");
                    break;
                case SessionEventKind.Quit:
                    Invariant.Holds(_state == SessionState.Closed && CloseReason.IsValidName(e.Reason.Name), "A softquit closes nothing, or for no reason.");
                    break;
                default:
                    throw new InvariantException($"There is no event of kind {e.Kind}.");
            }

            _log.Append(e.Kind).Append(' ').Append(e.PacketId).Append(' ').Append(e.HasBinaryKeys).Append(' ').Append(e.Reason.Name).Append(' ');
            foreach (ReadOnlyMemory<byte> segment in e.Payload)
                _log.Append(Convert.ToHexString(segment.Span));
            _log.Append('\n');
        }

        private void Refuse(ProtocolException e)
        {
            _isOver = true;
            CheckState();
            Invariant.Holds(_state == SessionState.Closed, "A session goes on after the other side broke the protocol.");
            Invariant.Holds(e.Reason.Name.Length > 0 && e.Message.Length is > 0 and < 32_768, "A refusal has no message, or too long a one.");
            foreach (char c in e.Message)
                Invariant.Holds(c is >= ' ' and <= '~', "A message has characters that are not printable.");
            _log.Append(e.Reason.Name).Append(": ").Append(e.Message).Append(e.DropSilently).Append('\n');

            int before = _output.WrittenCount;
            _session.Quit(e.Reason, _output);
            int farewell = _output.WrittenCount;
            Invariant.Holds(farewell > before && farewell - before <= MaxSoftQuitBytes, "The farewell is missing or too long.");
            _session.Quit(e.Reason, _output);
            Invariant.Holds(_output.WrittenCount == farewell, "It said farewell twice.");
            ReadOnlySequence<byte> more = new(new byte[] { 0, 0, 0, 3, 0, 16, 1 });
            Invariant.Holds(!_session.TryRead(ref more, _output, out _) && more.IsEmpty, "A closed session reads on.");
        }

        private void CheckState()
        {
            Invariant.Holds(_session.State >= _state, $"The state went back from {_state} to {_session.State}.");
            _state = _session.State;
            int most = 17 + _contract.IdMapFrame.Length + 7 + MaxSoftQuitBytes;
            Invariant.Holds(_output.WrittenCount <= most, $"It answered with {_output.WrittenCount} bytes.");
        }

        private void CheckAgreement()
        {
            Agreement? agreement = _session.Agreement;
            Invariant.Holds(agreement is not null && agreement.WireIds.Length == _contract.Packets.Length, "There is no agreement about the packets.");
            foreach (int id in agreement.WireIds)
                Invariant.Holds(id is -1 or (>= WireProtocol.FirstApplicationId and <= WireProtocol.LastApplicationId), "A packet got a reserved id.");
            Invariant.Holds(_contract.AdaptsPacketIds || agreement.WireIds.SequenceEqual(_contract.Ids), "A side that keeps its ids changed them.");
            Invariant.Holds(_limits.AllowUnequalPackets || !agreement.WireIds.Contains(-1) || !_contract.AdaptsPacketIds, "A packet has no id.");
        }
    }
}
