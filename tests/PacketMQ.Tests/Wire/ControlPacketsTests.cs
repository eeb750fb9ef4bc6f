using System.Buffers;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Wire;

/// <summary>Each control packet byte for byte (protocol, "Handshake").</summary>
public sealed class ControlPacketsTests
{
    [Fact]
    public void Init_has_the_bytes_of_the_protocol_page()
        => Assert.Equal(Hex.Of(Hex.Bytes("0000000d 0000 81 c407 76657273696f6e 01")), Written(ControlPackets.WriteInit));

    [Fact]
    public void Finish_has_the_bytes_of_the_protocol_page()
        => Assert.Equal("000000030003c0", Written(ControlPackets.WriteFinish));

    [Fact]
    public void A_softquit_has_the_bytes_of_the_protocol_page()
        => Assert.Equal(
            Hex.Of([.. Hex.Bytes("0000001b 0001 81 c406"), .. "reason"u8, 0xc4, 14, .. "reason.unknown"u8]),
            Written(output => ControlPackets.WriteSoftQuit(output, CloseReason.Unknown)));

    [Fact]
    public void The_longest_reason_fits()
        => Assert.Equal(
            Hex.Of([.. Hex.Bytes("0000010e 0001 81 c406"), .. "reason"u8, 0xc5, 1, 0, .. Enumerable.Repeat((byte)'x', 256)]),
            Written(output => ControlPackets.WriteSoftQuit(output, new string('x', 256))));

    [Theory]
    [InlineData(true, "c3")]
    [InlineData(false, "c2")]
    public void An_id_map_without_packets_lists_the_four_defaults(bool adapts, string flag)
    {
        byte[] expected =
        [
            .. Hex.Bytes("0000007c 0002 82 c405"), .. "adapt"u8, .. Hex.Bytes(flag), 0xc4, 5, .. "idmap"u8, 0x84,
            0xc4, 23, .. "packetmq:handshake_init"u8, 0,
            0xc4, 17, .. "packetmq:softquit"u8, 1,
            0xc4, 25, .. "packetmq:handshake_pubids"u8, 2,
            0xc4, 25, .. "packetmq:handshake_finish"u8, 3,
        ];
        expected[3] = (byte)(expected.Length - 4);
        var contract = new Contract(adapts, []);
        Assert.Equal(Hex.Of(expected), Written(output => ControlPackets.WriteIdMap(output, contract)));
        Assert.Equal(expected.Length - 4, contract.IdMapFrameLength);
    }

    [Fact]
    public void An_id_map_of_fifty_names_keeps_the_order_of_registration()
    {
        // Neither the names nor the ids are in any order of their own, and the ids take one, two and three bytes.
        (string Name, int Id)[] packets = [.. Enumerable.Range(0, 50).Select(i => ($"app:packet{i * 7919 % 50}", 16 + (i * 37 % 50 * 11)))];
        List<byte> payload =
        [
            0x82, 0xc4, 5, .. "adapt"u8, 0xc2, 0xc4, 5, .. "idmap"u8, 0xde, 0, 54,
            0xc4, 23, .. "packetmq:handshake_init"u8, 0,
            0xc4, 17, .. "packetmq:softquit"u8, 1,
            0xc4, 25, .. "packetmq:handshake_pubids"u8, 2,
            0xc4, 25, .. "packetmq:handshake_finish"u8, 3,
        ];
        foreach ((string name, int id) in packets)
        {
            payload.AddRange([0xc4, (byte)name.Length, .. name.Select(c => (byte)c)]);
            payload.AddRange(id < 128 ? [(byte)id] : id < 256 ? [0xcc, (byte)id] : [0xcd, (byte)(id >> 8), (byte)id]);
        }

        var contract = new Contract(false, [.. packets.Select(packet => new PacketDeclaration(packet.Name, packet.Id))]);
        byte[] expected = [0, 0, (byte)((payload.Count + 2) >> 8), (byte)(payload.Count + 2), 0, 2, .. payload];
        Assert.Equal(Hex.Of(expected), Hex.Of(contract.IdMapFrame.Span));
        Assert.Equal(expected.Length - 4, contract.IdMapFrameLength);
    }

    [Theory]
    [InlineData(11, 16)]
    [InlineData(12, 16)]
    [InlineData(4_000, 16)]
    [InlineData(300, 65_535 - 299)]
    public void The_length_of_an_id_map_is_known_without_encoding_it(int count, int firstId)
    {
        var contract = new Contract(true, [.. Enumerable.Range(0, count).Select(i => new PacketDeclaration($"n{i}", firstId + i))]);
        Assert.Equal(contract.IdMapFrame.Length - WireProtocol.LengthBytes, contract.IdMapFrameLength);
        Assert.Same(contract.IdMapFrame.ToArray().GetType(), typeof(byte[]));
        Assert.Equal(contract.IdMapFrame, contract.IdMapFrame); // the same memory: encoded once
    }

    [Fact]
    public void An_id_map_is_read_back_whether_its_strings_are_str_or_bin()
    {
        foreach (string hex in new[]
        {
            "82 a56164617074 c3 a569646d6170 82 a56170703a61 12 a56170703a62 11",
            "82 c4056164617074 c3 c40569646d6170 82 c4056170703a61 12 c4056170703a62 11",
            "82 d9056164617074 c3 c5000569646d6170 de0002 da00056170703a61 cc12 c6000000056170703a62 d300000000 00000011",
            "84 01 c0 c40569646d6170 82 a56170703a61 12 a56170703a62 11 90 80 a56164617074 01", // unknown keys, other order, 1 for true
        })
        {
            Chunked.AsSequences(Hex.Bytes(hex), payload =>
            {
                IdMap map = IdMap.Read(payload, 100);
                Assert.True(map.AdaptsPacketIds);
                Assert.Equal([new("app:a", 0x12), new("app:b", 0x11)], map.Entries);
            });
        }
    }

    [Theory]
    [InlineData("81 a6726561736f6e a3612e62", "a.b")]
    [InlineData("81 c406726561736f6e c403612e62", "a.b")]
    [InlineData("83 01 02 a6726561736f6e a3612e62 a178 90", "a.b")]
    [InlineData("82 a6726561736f6e a161 c406726561736f6e a162", "a")] // even twice: the other side goes
    [InlineData("c0", "reason.unknown")] // Q02
    [InlineData("80", "reason.unknown")] // Q03
    [InlineData("91c0", "reason.unknown")]
    [InlineData("81 a6726561736f6e 93010203", "reason.unknown")] // Q04
    [InlineData("81 a6726561736f6e c0", "reason.unknown")]
    [InlineData("81 a6726561736f6e a0", "reason.unknown")]
    [InlineData("81 a6726561736f6e a2c3bc", "reason.unknown")]
    [InlineData("81 a6726561736f6e ab0d0a1b5b33316d726f6f74", "reason.unknown")] // Q06
    public void The_reason_of_a_softquit_is_read_or_unknown(string hex, string expected)
        => Chunked.AsSequences(Hex.Bytes(hex), payload => Assert.Equal(expected, ControlPackets.ReadSoftQuit(payload).Name));

    [Fact]
    public void A_reason_longer_than_the_limit_is_unknown()
    {
        byte[] payload = [0x81, 0xa6, .. "reason"u8, 0xda, 1, 1, .. Enumerable.Repeat((byte)'x', 257)];
        Assert.Equal(CloseReason.Unknown, ControlPackets.ReadSoftQuit(new ReadOnlySequence<byte>(payload)));
    }

    [Fact]
    public void An_unknown_key_may_hold_what_is_nested_as_deep_as_any_payload()
    {
        byte[] payload = [0x82, 0xa1, (byte)'x', .. Enumerable.Repeat((byte)0x91, 255), 0xc0, 0xa7, .. "version"u8, 1];
        ControlPackets.ReadInit(new ReadOnlySequence<byte>(payload));
    }

    private static string Written(Action<IBufferWriter<byte>> write)
    {
        var output = new ArrayBufferWriter<byte>();
        write(output);
        return Hex.Of(output.WrittenSpan);
    }
}
