using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Wire;

/// <summary>
/// What a single session makes of bad input, each case whole, split in two and byte by byte. The names are those of the project's
/// catalogue of bad input; its other cases are about time, memory or several connections and are tested where these are.
/// </summary>
public sealed class BadInputTests
{
    private const string Init = "0000000c 0000 81 a776657273696f6e 01";
    private const string IdMapHead = "82 a56164617074 c2 a569646d6170";

    /// <summary>How far the conversation is when the bytes come.</summary>
    public enum At
    {
        Start,
        IdMap,
        Active,
    }

    /// <summary>The reason; "" if the input is accepted, "quit ..." for a softquit.</summary>
    public static TheoryData<string, At, string, string> Cases => new()
    {
        { "F01", At.Start, "ffffffff", "reason.frametoolarge" },
        { "F02", At.Start, "000186a0", "reason.frametoolarge" },
        { "F04", At.Active, "7fffffff", "reason.frametoolarge" },
        { "F05", At.Active, "80000000", "reason.frametoolarge" },
        { "F06", At.Active, "00000000", "reason.frametoosmall" },
        { "F08", At.Start, "00000002 0000", "reason.malformedpayload" },
        { "F08 active", At.Active, "00000002 0011", "reason.malformedpayload" },
        { "F09", At.Start, "0000", "" },
        { "F10", At.Active, "000003e8 0011 c4ff", "" },
        { "F14", At.Start, "474554202f20485454502f312e310d0a0d0a", "reason.frametoolarge dropped" },
        { "F15", At.Start, "160301020001", "reason.frametoolarge dropped" },
        { "F17", At.Start, "00100000 0000", "reason.frametoolarge" },

        { "M01", At.Active, "00000003 0011 c1", "reason.malformedpayload" },
        { "M03", At.Active, "00000007 0011 df40000000", "reason.malformedpayload" },
        { "M06", At.Active, "00000008 0011 c900100000ff", "reason.malformedpayload" },
        { "M11", At.Active, Frame(17, Repeat("91", 65) + "c0"), "reason.depthexceeded" },
        { "M14", At.Active, "00000009 0011 82a16101a16102", "" },
        { "M16", At.Active, "00000005 0011 a2c328", "reason.malformedpayload" },
        { "M17", At.Active, "00000006 0011 a3eda080", "reason.malformedpayload" },
        { "M19", At.Active, "00000004 0011 9201", "reason.malformedpayload" },
        { "M21", At.Active, "0000000b 0011 cfffffffffffffffff", "" },
        { "M23", At.Active, "0000000c 0011 d7ffffffffffffffffff", "reason.malformedpayload" },
        { "M24", At.Active, "00000011 0011 c70cff000000007fffffffffffffff", "" },
        { "M25", At.Active, "00000005 0011 819001", "" },
        { "M26", At.Active, "0000000a 0011 c70564a3666f6f01", "" },
        { "M27", At.Active, "0000000b 0011 c70663d27fffffff00", "" },
        { "M28", At.Active, "00000004 0011 c400", "" },
        { "M29", At.Active, "00000007 0011 d200000001", "" },

        { "H01", At.Start, Init, "" },
        { "H03", At.Start, "0000000c 0000 81 a776657273696f6e 02", "reason.versionmismatch" },
        { "H04", At.Start, "0000000c 0000 81 a776657273696f6e ff", "reason.versionmismatch" },
        { "H04 uint64", At.Start, "00000014 0000 81 a776657273696f6e cfffffffffffffffff", "reason.versionmismatch" },
        { "H05", At.Start, "0000000d 0000 81 a776657273696f6e a131", "reason.badhandshake" },
        { "H05 bool", At.Start, "0000000c 0000 81 a776657273696f6e c3", "reason.badhandshake" },
        { "H07", At.Start, "00000003 0000 80", "reason.badhandshake" },
        { "H08", At.Start, "00000003 0000 c0", "reason.badhandshake" },
        { "H09", At.Start, "00000004 0000 9101", "reason.badhandshake" },
        { "H10", At.Start, Init + Init, "reason.unexpectedpacket" },
        { "H12", At.Start, "00000011 0002" + IdMapHead + "80", "reason.unexpectedpacket" },
        { "H13", At.Start, Init + "00000003 0003 c0", "reason.unexpectedpacket" },
        { "finish first", At.Start, "00000003 0003 c0", "reason.unexpectedpacket" },
        { "version twice", At.Start, Frame(0, "82 a776657273696f6e 01 a776657273696f6e 01"), "reason.duplicatekey" },
        { "version as STR and BIN", At.Start, Frame(0, "82 a776657273696f6e 01 c40776657273696f6e 01"), "reason.duplicatekey" },
        { "an extra key twice", At.Start, Frame(0, "83 a178 01 a776657273696f6e 01 c40178 01"), "reason.duplicatekey" },
        { "extra keys", At.Start, Frame(0, "84 a178 9101 05 c0 a776657273696f6e 01 90 80"), "" },

        { "S01", At.Start, "00000003 0011 c0", "reason.unexpectedpacket" },
        { "S02", At.Start, Init + "00000003 0011 c0", "reason.unexpectedpacket" },
        { "S05", At.Active, "00000003 0003 c0", "reason.unexpectedpacket" },
        { "init while active", At.Active, Init, "reason.unexpectedpacket" },
        { "id map while active", At.Active, "00000011 0002" + IdMapHead + "80", "reason.unexpectedpacket" },
        { "extension id 4", At.Active, "00000003 0004 c0", "reason.unexpectedpacket" },
        { "extension id 15", At.Active, "00000003 000f c0", "reason.unexpectedpacket" },
        { "extension id 4 first", At.Start, "00000003 0004 c0", "reason.unexpectedpacket" },
        { "packet before finish", At.IdMap, Hex.Of(PeerBytes.IdMap(false, ("app:a", 17))) + "00000003 0011 c0", "reason.unexpectedpacket" },
        { "id map twice", At.IdMap, Repeat(Hex.Of(PeerBytes.IdMap(false, ("app:a", 17))), 2), "reason.unexpectedpacket" },
        { "malformed finish", At.IdMap, Hex.Of(PeerBytes.IdMap(false, ("app:a", 17))) + "00000003 0003 c1", "reason.malformedpayload" },
        { "finish with content", At.IdMap, Hex.Of(PeerBytes.IdMap(false, ("app:a", 17))) + "00000004 0003 91c0", "" },

        { "R01", At.IdMap, "0000001f 0002" + IdMapHead + "82 a56170703a61 11 a56170703a62 11", "reason.idmapinvalid" },
        { "R02", At.IdMap, "0000001f 0002" + IdMapHead + "82 a56170703a61 11 a56170703a61 12", "reason.duplicatekey" },
        { "R02 STR and BIN", At.IdMap, Frame(2, IdMapHead + "82 a56170703a61 11 c4056170703a61 12"), "reason.duplicatekey" },
        { "R03", At.IdMap, "00000024 0002" + IdMapHead + "81 b17061636b65746d713a736f667471756974 63", "reason.reservedid" },
        { "R04", At.IdMap, "00000018 0002" + IdMapHead + "81 a56170703a61 01", "reason.reservedid" },
        { "R04 id 15", At.IdMap, "00000018 0002" + IdMapHead + "81 a56170703a61 0f", "reason.reservedid" },
        { "R05", At.IdMap, "0000001c 0002" + IdMapHead + "81 a56170703a61 ce00010000", "reason.idmapinvalid" },
        { "R05 uint64", At.IdMap, Frame(2, IdMapHead + "81 a56170703a61 cfffffffffffffffff"), "reason.idmapinvalid" },
        { "R06", At.IdMap, "00000018 0002" + IdMapHead + "81 a56170703a61 ff", "reason.idmapinvalid" },
        { "R07", At.IdMap, "0000001a 0002" + IdMapHead + "81 a56170703a61 a23137", "reason.idmapinvalid" },
        { "R09", At.IdMap, "00000011 0002 82 a56164617074 c3 a569646d6170 80", "reason.sameadaptivepolicy" },
        { "R13", At.IdMap, "0000001d 0002" + IdMapHead + "81 aa1b5b324a1b5d303b7807 11", "reason.nameinvalid" },
        { "empty name", At.IdMap, Frame(2, IdMapHead + "81 a0 11"), "reason.nameinvalid" },
        { "name that is a number", At.IdMap, Frame(2, IdMapHead + "81 05 11"), "reason.nameinvalid" },
        { "R16", At.IdMap, "0000000a 0002 81 a569646d6170 80", "reason.badhandshake" },
        { "R17", At.IdMap, "00000011 0002 82 a56164617074 02 a569646d6170 80", "reason.badhandshake" },
        { "idmap missing", At.IdMap, Frame(2, "81 a56164617074 c2"), "reason.badhandshake" },
        { "idmap is an array", At.IdMap, Frame(2, IdMapHead + "90"), "reason.badhandshake" },
        { "id map is nil", At.IdMap, Frame(2, "c0"), "reason.badhandshake" },
        { "adapt twice", At.IdMap, Frame(2, "83 a56164617074 c2 c4056164617074 c2 a569646d6170 80"), "reason.duplicatekey" },

        { "Q01", At.Start, "00000019 0001 81 a6726561736f6e ae726561736f6e2e756e6b6e6f776e", "quit reason.unknown" },
        { "Q01 active", At.Active, "0000000e 0001 81 a6726561736f6e a3612e62", "quit a.b" },
        { "Q02", At.Start, "00000003 0001 c0", "quit reason.unknown" },
        { "Q03", At.IdMap, "00000003 0001 80", "quit reason.unknown" },
        { "Q04", At.Active, "0000000e 0001 81 a6726561736f6e 93010203", "quit reason.unknown" },
        { "Q06", At.Active, "00000016 0001 81 a6726561736f6e ab0d0a1b5b33316d726f6f74", "quit reason.unknown" },
        { "malformed softquit", At.Active, "00000003 0001 c1", "reason.malformedpayload" },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Each_case_ends_as_expected(string name, At at, string hex, string expected)
    {
        Assert.NotEmpty(name);
        Chunked.AsArrivals(Hex.Bytes(hex), chunks => Assert.Equal(expected, Outcome(at, chunks)));
    }

    [Fact]
    public void A_map_flood_is_refused_by_its_declared_count() // R11
    {
        byte[] pairs = [.. Enumerable.Range(0, 19_900).SelectMany(i => new byte[] { 0xc4, 2, (byte)i, (byte)(i >> 8), 17 })];
        byte[] payload = [.. Hex.Bytes(IdMapHead), 0xde, 19_900 >> 8, 19_900 & 0xff, .. pairs];
        byte[] frame = PeerBytes.Frame(2, payload);
        Assert.Equal("reason.toomanypackets", Outcome(At.IdMap, [frame]));
        Outcome(At.IdMap, [frame]);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Outcome(At.IdMap, [frame]);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_048_576);
    }

    [Theory]
    [InlineData(4_096, "")]
    [InlineData(4_097, "reason.toomanypackets")]
    public void As_many_names_as_the_limit_are_read(int count, string expected)
    {
        (string, int)[] packets = [.. Enumerable.Range(0, count - 4).Select(i => ($"n{i}", 16 + i))];
        Assert.Equal(
            expected, Outcome(At.IdMap, [PeerBytes.IdMap(false, packets)], new Contract(true, [.. packets.Select(p => new PacketDeclaration(p.Item1, p.Item2))])));
    }

    [Theory]
    [InlineData(255, "")]
    [InlineData(256, "reason.nameinvalid")]
    public void A_name_may_have_255_bytes(int length, string expected)
    {
        string name = new('n', length);
        string hex = IdMapHead + "85" + "b77061636b65746d713a68616e647368616b655f696e6974 00 b17061636b65746d713a736f667471756974 01"
            + "b97061636b65746d713a68616e647368616b655f707562696473 02 b97061636b65746d713a68616e647368616b655f66696e697368 03"
            + $"da{length:x4}" + Repeat("6e", length) + "11";
        Assert.Equal(expected, Outcome(At.IdMap, [Hex.Bytes(Frame(2, hex))], new Contract(true, [new(name[..int.Min(length, 255)], 17)])));
    }

    [Fact]
    public void Text_of_the_other_side_is_escaped_in_messages() // R13
    {
        var end = new SessionEnd(new Contract(true, []));
        end.Receive(PeerBytes.Init);
        var refusal = Assert.Throws<ProtocolException>(
            () => end.Receive(Hex.Bytes("0000001d 0002" + IdMapHead + "81 aa1b5b324a1b5d303b7807 11")));
        Assert.Contains(@"\x1b[2J\x1b]0;x\x07", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unexpected_packet_is_named_with_the_state()
    {
        var end = new SessionEnd(new Contract(true, []));
        var refusal = Assert.Throws<ProtocolException>(() => end.Receive(PeerBytes.Finish));
        Assert.Contains("3 (packetmq:handshake_finish) came in state AwaitInit", refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>Our side adapts here, as the catalogue's id maps want it.</summary>
    private static string Outcome(At at, byte[][] chunks, Contract? contract = null)
    {
        var end = new SessionEnd(contract ?? new Contract(true, [new("app:a", 17)]));
        if (at == At.IdMap)
            end.Receive(PeerBytes.Init);
        else if (at == At.Active)
            end.Receive(PeerBytes.Handshake(false, ("app:a", 17)));
        try
        {
            foreach (byte[] chunk in chunks)
                end.Receive(chunk);
        }
        catch (ProtocolException refusal)
        {
            Assert.Equal(SessionState.Closed, end.Session.State);
            Assert.DoesNotContain(end.Events, e => e.Kind == SessionEventKind.Packet);
            return refusal.Reason + (refusal.DropSilently ? " dropped" : "");
        }

        return end.Events.LastOrDefault() is { Kind: SessionEventKind.Quit } quit ? $"quit {quit.Reason}" : "";
    }

    private static string Frame(int packetId, string payload) => Hex.Of(PeerBytes.Frame(packetId, Hex.Bytes(payload)));

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));
}
