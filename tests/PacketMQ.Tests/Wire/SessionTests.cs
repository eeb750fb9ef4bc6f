using System.Buffers;
using System.Collections.Immutable;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Wire;

public sealed class SessionTests
{
    private static readonly Contract Server = new(false, [new("app:a", 17), new("app:b", 18)]);
    private static readonly Contract SameClient = new(true, [new("app:a", 17), new("app:b", 18)]);
    private static readonly Contract SwappedClient = new(true, [new("app:b", 17), new("app:a", 18)]);

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(1)]
    [InlineData(7)]
    public void Two_sessions_agree(int chunkBytes)
    {
        SessionPair pair = new SessionPair(Server, SwappedClient).Start().Exchange(chunkBytes);
        Assert.Null(pair.LeftFailure);
        Assert.Null(pair.RightFailure);
        foreach (SessionEnd end in new[] { pair.Left, pair.Right })
        {
            Assert.Equal(SessionState.Active, end.Session.State);
            Assert.Equal([new SessionRecord(SessionEventKind.Activated, 0, "", false, default)], end.Events);
        }

        Assert.Equal([17, 18], pair.Left.Session.Agreement!.WireIds);
        Assert.True(pair.Left.Session.Agreement.IsOwnContract);
        Assert.Equal(SwappedClient.Names, pair.Left.Session.PeerPacketNames);

        Assert.Equal([18, 17], pair.Right.Session.Agreement!.WireIds);
        Assert.False(pair.Right.Session.Agreement.IsOwnContract);
        Assert.Empty(pair.Right.Session.Agreement.OnlyThere);
        Assert.Equal(Server.Names, pair.Right.Session.PeerPacketNames);
    }

    [Fact]
    public void Equal_ids_are_told_on_the_adapting_side_too()
    {
        SessionPair pair = new SessionPair(Server, SameClient).Start().Exchange();
        Assert.True(pair.Right.Session.Agreement!.IsOwnContract);
        Assert.Equal([17, 18], pair.Right.Session.Agreement.WireIds);
        Assert.Equal(SameClient.Names, pair.Right.Session.PeerPacketNames);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Each_side_answers_frame_by_frame(bool adapts)
    {
        var end = new SessionEnd(adapts ? SameClient : Server);
        end.Start();
        Assert.Equal(Hex.Of(PeerBytes.Init), Hex.Of(end.TakeOutput()));
        Assert.Equal(SessionState.AwaitInit, end.Session.State);

        end.Receive(PeerBytes.Init);
        Assert.Equal(Hex.Of(PeerBytes.IdMap(adapts, ("app:a", 17), ("app:b", 18))), Hex.Of(end.TakeOutput()));
        Assert.Equal(SessionState.AwaitIdMap, end.Session.State);
        Assert.Null(end.Session.Agreement);
        Assert.Empty(end.Session.PeerPacketNames);

        end.Receive(PeerBytes.IdMap(!adapts, ("app:b", 18), ("app:a", 17)));
        Assert.Equal(Hex.Of(PeerBytes.Finish), Hex.Of(end.TakeOutput()));
        Assert.Equal(SessionState.AwaitFinish, end.Session.State);
        Assert.NotNull(end.Session.Agreement);
        Assert.Empty(end.Events);

        end.Receive(PeerBytes.Finish);
        Assert.Empty(end.TakeOutput());
        Assert.Equal(SessionState.Active, end.Session.State);
        Assert.Equal([SessionEventKind.Activated], end.Events.Select(e => e.Kind));
    }

    [Fact]
    public void A_pipelined_handshake_with_packets_behind_it_is_read_however_it_is_cut() // F12
    {
        byte[] bytes =
        [
            .. PeerBytes.Handshake(true, ("app:a", 17), ("app:b", 18)), .. PeerBytes.Frame(18, 0xc4, 1, 7), .. PeerBytes.Frame(99, 0x81, 0xc4, 0, 0xc0),
        ];
        Chunked.AsArrivals(bytes, chunks =>
        {
            var end = new SessionEnd(Server);
            foreach (byte[] chunk in chunks)
                end.Receive(chunk);
            Assert.Equal(
                [
                    new SessionRecord(SessionEventKind.Activated, 0, "", false, default),
                    new SessionRecord(SessionEventKind.Packet, 18, "c40107", false, default),
                    new SessionRecord(SessionEventKind.Packet, 99, "81c400c0", true, default),
                ],
                end.Events);
            end.EndOfInput();
        });
        Chunked.AsSequences(bytes, input =>
        {
            var session = new Session(Server, new SessionLimits());
            int events = 0;
            while (session.TryRead(ref input, new ArrayBufferWriter<byte>(), out _))
                events++;
            Assert.Equal((3, true), (events, input.IsEmpty));
        });
    }

    [Fact]
    public void What_needs_approval_holds_the_id_map_back_until_then()
    {
        var session = new Session(Server, new SessionLimits(), needsApproval: true);
        var output = new ArrayBufferWriter<byte>();
        var input = new ReadOnlySequence<byte>((byte[])[.. PeerBytes.Handshake(true, ("app:a", 17), ("app:b", 18)), .. PeerBytes.Frame(18, 1)]);
        Assert.Throws<InvalidOperationException>(() => session.Approve(output));
        Assert.True(session.TryRead(ref input, output, out SessionEvent read));
        Assert.Equal((SessionEventKind.Introduced, SessionState.AwaitApproval, 0), (read.Kind, session.State, output.WrittenCount));

        session.Approve(output);
        Assert.Throws<InvalidOperationException>(() => session.Approve(output));
        Assert.True(session.TryRead(ref input, output, out read));
        Assert.Equal(SessionEventKind.Activated, read.Kind);
        Assert.True(session.TryRead(ref input, output, out read));
        Assert.Equal((SessionEventKind.Packet, 18), (read.Kind, read.PacketId));
    }

    [Fact]
    public void Who_is_not_approved_can_only_leave()
    {
        var session = new Session(Server, new SessionLimits(), needsApproval: true);
        var output = new ArrayBufferWriter<byte>();
        var input = new ReadOnlySequence<byte>(
            (byte[])[.. PeerBytes.Handshake(true, ("app:a", 17), ("app:b", 18)), .. PeerBytes.Frame(18, 1), .. RawEnd.SoftQuit("reason.bye")]);
        Assert.True(session.TryRead(ref input, output, out _));
        Assert.True(session.TryRead(ref input, output, out SessionEvent read));
        Assert.Equal((SessionEventKind.Quit, "reason.bye", 0), (read.Kind, read.Reason.Name, output.WrittenCount));
    }

    [Fact]
    public void Who_is_not_approved_may_send_no_larger_frames_than_an_id_map()
    {
        var session = new Session(Server, new SessionLimits { MaxIdMapFrameBytes = 500 }, needsApproval: true);
        var output = new ArrayBufferWriter<byte>();
        var input = new ReadOnlySequence<byte>((byte[])[.. PeerBytes.Init, 0, 0, 1, 0xf5]);
        Assert.True(session.TryRead(ref input, output, out _));
        AssertRefused(() => session.TryRead(ref input, output, out _), CloseReason.FrameTooLarge);
    }

    [Fact]
    public void The_limit_of_a_frame_is_that_of_the_state_it_comes_in()
    {
        var limits = new SessionLimits { MaxHandshakeFrameBytes = 64, MaxIdMapFrameBytes = 500, MaxFrameBytes = 99_999 };
        (string, int)[] many = [.. Enumerable.Range(0, 20).Select(i => ($"app:{i:00}", 100 + i))];
        var end = new SessionEnd(Server, limits);
        end.Receive([.. PeerBytes.Handshake(true, many), .. PeerBytes.Frame(17, [0xc6, 0, 1, 0x86, 0x9f - 7, .. new byte[99_992]])]); // F03
        Assert.Equal([SessionEventKind.Activated, SessionEventKind.Packet], end.Events.Select(e => e.Kind));
        AssertRefused(() => end.Receive([0, 1, 0x86, 0xa0]), CloseReason.FrameTooLarge);

        end = new SessionEnd(Server, limits);
        AssertRefused(() => end.Receive([0, 0, 0, 65]), CloseReason.FrameTooLarge);

        end = new SessionEnd(Server, limits);
        AssertRefused(() => end.Receive([.. PeerBytes.Init, 0, 0, 1, 0xf5]), CloseReason.FrameTooLarge);

        end = new SessionEnd(Server, limits);
        AssertRefused(() => end.Receive([.. PeerBytes.Init, .. PeerBytes.IdMap(true, many), 0, 0, 0, 65]), CloseReason.FrameTooLarge);
    }

    [Fact]
    public void Ten_thousand_frames_in_one_write_come_in_order() // F13
    {
        SessionEnd end = Active();
        end.Receive([.. Enumerable.Range(0, 10_000).SelectMany(i => PeerBytes.Frame(17, 0xcd, (byte)(i >> 8), (byte)i))]);
        Assert.Equal(Enumerable.Range(0, 10_000).Select(i => $"cd{i:x4}"), end.Events.Select(e => e.Payload));
    }

    [Fact]
    public void A_softquit_ends_everything_behind_it() // S06
    {
        SessionEnd end = Active();
        end.Receive(
        [
            .. PeerBytes.Frame(17, 0xc0), .. PeerBytes.Frame(1, [0x81, 0xa6, .. "reason"u8, 0xa5, .. "a.b.c"u8]),
            .. Enumerable.Repeat(PeerBytes.Frame(17, 0xc0), 1_000).SelectMany(frame => frame), 0xff, 0xff, 0xff, 0xff,
        ]);
        Assert.Equal([SessionEventKind.Packet, SessionEventKind.Quit], end.Events.Select(e => e.Kind));
        Assert.Equal("a.b.c", end.Events[1].Reason.Name);
        Assert.Equal(SessionState.Closed, end.Session.State);
        Assert.True(end.Unread.IsEmpty);

        end.Quit("reason.own");
        Assert.Empty(end.TakeOutput()); // the other side waits for the end of the stream, not for an answer
        end.EndOfInput();
    }

    [Fact]
    public void After_our_own_softquit_nothing_is_read()
    {
        SessionEnd end = Active();
        end.Quit("a.b");
        end.Quit("c.d");
        Assert.Equal(Hex.Of(PeerBytes.Frame(1, [0x81, 0xc4, 6, .. "reason"u8, 0xc4, 3, .. "a.b"u8])), Hex.Of(end.TakeOutput()));
        end.Receive([.. PeerBytes.Frame(17, 0xc1), 0, 0]);
        Assert.Empty(end.Events);
        Assert.True(end.Unread.IsEmpty);
        end.EndOfInput();
    }

    [Fact]
    public void After_a_refusal_nothing_is_read_but_the_reason_can_be_said()
    {
        SessionEnd end = Active();
        AssertRefused(() => end.Receive([.. PeerBytes.Frame(17, 0xc1), .. PeerBytes.Frame(17, 0xc0)]), CloseReason.MalformedPayload);
        end.Receive(PeerBytes.Frame(17, 0xc0));
        Assert.Empty(end.Events);
        end.EndOfInput();
        end.Quit(CloseReason.MalformedPayload);
        Assert.NotEmpty(end.TakeOutput());
    }

    [Theory]
    [InlineData("00")]
    [InlineData("000003e8 0011 c4ff")] // F10
    [InlineData("000001f4 0011 c0")] // F11
    [InlineData("00000003 0011 c0 000000")] // F18
    public void An_end_inside_a_frame_is_told(string hex)
        => Chunked.AsArrivals(Hex.Bytes(hex), chunks =>
        {
            SessionEnd end = Active();
            foreach (byte[] chunk in chunks)
                end.Receive(chunk);
            AssertRefused(end.EndOfInput, CloseReason.TruncatedFrame);
        });

    [Fact]
    public void An_end_between_frames_is_no_error()
    {
        new SessionEnd(Server).EndOfInput();
        Active().EndOfInput();
    }

    [Fact]
    public void Unequal_names_are_refused_by_the_side_that_adapts_and_both_learn_which()
    {
        var client = new Contract(true, [new("app:a", 17), new("app:mine", 18)]);
        var server = new Contract(false, [new("app:theirs", 18), new("app:a", 17)]);
        SessionPair pair = new SessionPair(server, client).Start().Exchange();

        Assert.Equal(CloseReason.NonEqualPackets, pair.RightFailure!.Reason);
        Assert.Equal(["app:theirs"], pair.RightFailure.MissingHere);
        Assert.Equal(["app:mine"], pair.RightFailure.MissingThere);
        Assert.Contains("Only the other side has 'app:theirs'. Only this side has 'app:mine'.", pair.RightFailure.Message, StringComparison.Ordinal);

        Assert.Null(pair.LeftFailure);
        Assert.Equal([SessionEventKind.Quit], pair.Left.Events.Select(e => e.Kind));
        Assert.Equal(CloseReason.NonEqualPackets, pair.Left.Events[0].Reason);
        (ImmutableArray<string> missingHere, ImmutableArray<string> missingThere) = pair.Left.Session.CompareNames();
        Assert.Equal(["app:mine"], missingHere);
        Assert.Equal(["app:theirs"], missingThere);
    }

    [Fact]
    public void A_missing_default_is_an_unequal_name_too()
    {
        var end = new SessionEnd(SameClient);
        var refusal = AssertRefused(
            () => end.Receive([.. PeerBytes.Init, .. PeerBytes.BareIdMap(false, ("app:a", 17), ("app:b", 18))]), CloseReason.NonEqualPackets);
        Assert.Empty(refusal.MissingHere);
        Assert.Equal(
            ["packetmq:handshake_init", "packetmq:softquit", "packetmq:handshake_pubids", "packetmq:handshake_finish"], refusal.MissingThere);
    }

    [Fact]
    public void A_message_lists_twenty_names_and_the_exception_all()
    {
        (string, int)[] many = [.. Enumerable.Range(0, 25).Select(i => ($"x{i}", 100 + i))];
        var end = new SessionEnd(SameClient);
        var refusal = AssertRefused(() => end.Receive([.. PeerBytes.Init, .. PeerBytes.IdMap(false, many)]), CloseReason.NonEqualPackets);
        Assert.Equal(25, refusal.MissingHere.Length);
        Assert.Contains("'x19' and 5 more", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("'x20'", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unequal_names_can_be_allowed()
    {
        var client = new Contract(true, [new("app:mine", 16), new("app:a", 17)]);
        var server = new Contract(false, [new("app:theirs", 18), new("app:a", 19)]);
        SessionPair pair = new SessionPair(server, client, rightLimits: new SessionLimits { AllowUnequalPackets = true }).Start().Exchange();
        Assert.Null(pair.RightFailure);
        Agreement agreement = pair.Right.Session.Agreement!;
        Assert.Equal([-1, 19], agreement.WireIds);
        Assert.Equal([new("app:theirs", 18)], agreement.OnlyThere);
        Assert.False(agreement.IsOwnContract);
        Assert.True(pair.Left.Session.Agreement!.IsOwnContract);
        Assert.Equal(["app:mine"], pair.Left.Session.CompareNames().MissingHere);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_same_policy_on_both_sides_is_refused_before_names_are_compared(bool adapts)
    {
        var end = new SessionEnd(new Contract(adapts, [new("app:a", 17)]));
        AssertRefused(() => end.Receive([.. PeerBytes.Init, .. PeerBytes.IdMap(adapts, ("app:x", 17))]), CloseReason.SameAdaptivePolicy);
        Assert.Null(end.Session.Agreement);
    }

    [Fact]
    public void A_hostile_map_changes_neither_the_contract_nor_another_session() // R15
    {
        var hostile = new SessionEnd(SwappedClient);
        AssertRefused(
            () => hostile.Receive([.. PeerBytes.Init, .. PeerBytes.IdMap(false, ("app:a", 30), ("app:b", 30))]), CloseReason.IdMapInvalid);
        SessionPair pair = new SessionPair(Server, SwappedClient).Start().Exchange();
        Assert.Equal([18, 17], pair.Right.Session.Agreement!.WireIds);
        Assert.Equal([17, 18], SwappedClient.Ids);
    }

    [Fact]
    public void The_limits_of_payloads_do_not_bind_the_handshake()
    {
        var limits = new SessionLimits { MaxDepth = 1, MaxItemsPerPacket = 1 };
        SessionPair pair = new SessionPair(Server, SameClient, limits, limits).Start().Exchange();
        Assert.Equal(SessionState.Active, pair.Left.Session.State);
        AssertRefused(() => pair.Left.Receive(PeerBytes.Frame(17, 0x91, 0xc0)), CloseReason.TooManyItems);
        AssertRefused(() => pair.Right.Receive(PeerBytes.Frame(17, 0x91, 0x91, 0xc0)), CloseReason.TooManyItems);
    }

    [Fact]
    public void Reading_packets_allocates_nothing()
    {
        SessionEnd end = Active();
        byte[] frames = [.. Enumerable.Repeat(PeerBytes.Frame(17, 0x92, 0xa1, 0x61, 0xc4, 1, 0), 100).SelectMany(frame => frame)];
        ReadOnlySequence<byte> whole = Chunked.Join(frames);
        ReadOnlySequence<byte> cut = Chunked.Join(frames.Chunk(5));
        var output = new ArrayBufferWriter<byte>();
        Assert.Equal(200, Read(whole) + Read(cut));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int count = Read(whole) + Read(cut);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(200, count);

        int Read(ReadOnlySequence<byte> input)
        {
            int packets = 0;
            while (end.Session.TryRead(ref input, output, out _))
                packets++;
            return packets;
        }
    }

    [Fact]
    public void A_contiguous_packet_can_be_read_without_a_sequence()
    {
        SessionEnd end = Active();
        byte[] bytes = [.. PeerBytes.Frame(17, 0x81, 0xc4, 0, 0xc0), .. PeerBytes.Frame(1, 0xc0), .. PeerBytes.Frame(17, 0xc1)];
        Assert.True(end.Session.TryReadPacket(bytes, out int frameBytes, out int packetId, out bool hasBinaryKeys));
        Assert.Equal((10, 17, true), (frameBytes, packetId, hasBinaryKeys));
        Assert.False(end.Session.TryReadPacket(bytes.AsSpan(0, 9), out _, out _, out _)); // cut
        Assert.False(end.Session.TryReadPacket(bytes.AsSpan(10), out _, out _, out _)); // a control packet
        AssertRefused(() => end.Session.TryReadPacket(bytes.AsSpan(17), out _, out _, out _), CloseReason.MalformedPayload);
        Assert.Equal(SessionState.Closed, end.Session.State);
        Assert.False(end.Session.TryReadPacket(bytes, out _, out _, out _));
    }

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(5)]
    public void Connections_that_announce_the_same_share_what_follows_from_it(int chunkBytes)
    {
        var contract = new Contract(true, [new("app:a", 900), new("app:b", 901)]);
        Session first = Announced(contract, int.MaxValue, ("app:a", 17), ("app:b", 18));
        Session second = Announced(contract, chunkBytes, ("app:a", 17), ("app:b", 18));
        Assert.Same(first.Agreement, second.Agreement);
        Assert.True(first.PeerPacketNames == second.PeerPacketNames);

        Session other = Announced(contract, chunkBytes, ("app:a", 18), ("app:b", 17));
        Assert.Equal([18, 17], other.Agreement!.WireIds);
        Session third = Announced(contract, chunkBytes, ("app:a", 17), ("app:b", 18));
        Assert.Equal([17, 18], third.Agreement!.WireIds);
        Assert.Equal(["app:a", "app:b"], third.PeerPacketNames);
    }

    [Fact]
    public void The_same_names_in_another_order_are_our_own_strings()
    {
        var contract = new Contract(false, [new("app:a", 17), new("app:b", 18)]);
        Session session = Announced(contract, int.MaxValue, ("app:b", 17), ("app:a", 18));
        Assert.Equal(["app:b", "app:a"], session.PeerPacketNames);
        Assert.Same(contract.Names[0], session.PeerPacketNames[1]);
        Assert.Equal(0, session.ForeignNameBytes);
        Assert.True(session.CompareNames().IsEmpty);
    }

    [Fact]
    public void Names_that_only_the_other_side_has_cost_their_characters_and_are_told_all_the_same()
    {
        var contract = new Contract(false, [new("app:a", 17), new("app:b", 18), new("app:c", 19)]);
        (string Name, int Id)[] listed =
        [
            .. Enumerable.Range(0, 2_000).Select(i => ($"own:{i:00000}", 16 + i)), ("app:c", 3_000), ("app:a", 3_001),
            (new string('x', 255), 3_002), ("~", 3_003),
        ];
        var end = new SessionEnd(contract);
        end.Receive([.. PeerBytes.Init, .. PeerBytes.BareIdMap(true, [("packetmq:softquit", 1), .. listed])]);

        Assert.Equal(listed.Select(packet => packet.Name), end.Session.PeerPacketNames);
        Assert.Same(contract.Names[0], end.Session.PeerPacketNames[2_001]);
        Assert.Equal((2_000 * 10) + 256 + 2, end.Session.ForeignNameBytes);
        (ImmutableArray<string> missingHere, ImmutableArray<string> missingThere) = end.Session.CompareNames();
        Assert.Equal([.. listed[..2_000].Select(packet => packet.Name), listed[^2].Name, "~"], missingHere);
        Assert.Equal(["packetmq:handshake_init", "packetmq:handshake_pubids", "packetmq:handshake_finish", "app:b"], missingThere);
    }

    [Fact]
    public void What_one_sides_limits_accept_is_not_taken_for_accepted_under_others()
    {
        var contract = new Contract(true, [new("app:a", 900)]);
        var generous = new SessionLimits { AllowUnequalPackets = true };
        byte[] introduction = PeerBytes.Handshake(false, ("app:a", 17), ("app:b", 18));
        var accepted = new SessionEnd(contract, generous);
        accepted.Receive(introduction);
        Assert.Equal(["app:b"], accepted.Session.CompareNames().MissingHere);

        var again = new SessionEnd(contract, generous with { });
        again.Receive(introduction);
        Assert.Same(accepted.Session.Agreement, again.Session.Agreement);
        Assert.Equal(["app:b"], again.Session.CompareNames().MissingHere);

        AssertRefused(() => new SessionEnd(contract).Receive(introduction), CloseReason.NonEqualPackets);
        AssertRefused(() => new SessionEnd(contract, generous with { MaxPacketTypes = 4 }).Receive(introduction), CloseReason.TooManyPackets);
        // And what was refused is not kept.
        AssertRefused(() => new SessionEnd(contract).Receive(introduction), CloseReason.NonEqualPackets);
    }

    private static Session Announced(Contract contract, int chunkBytes, params (string, int)[] packets)
    {
        var end = new SessionEnd(contract);
        foreach (byte[] chunk in PeerBytes.Handshake(!contract.AdaptsPacketIds, packets).Chunk(Math.Min(chunkBytes, 10_000)))
            end.Receive(chunk);
        Assert.Equal(SessionState.Active, end.Session.State);
        return end.Session;
    }

    private static SessionEnd Active()
    {
        var end = new SessionEnd(Server);
        end.Receive(PeerBytes.Handshake(true, ("app:a", 17), ("app:b", 18)));
        Assert.Equal(SessionState.Active, end.Session.State);
        end.Events.Clear();
        end.TakeOutput();
        return end;
    }

    private static ProtocolException AssertRefused(Action action, CloseReason reason)
    {
        var refusal = Assert.Throws<ProtocolException>(action);
        Assert.Equal(reason, refusal.Reason);
        return refusal;
    }
}
