using System.Buffers;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Wire;

public sealed class FrameReaderTests
{
    private const int Limit = 1_000;

    [Fact]
    public void A_header_is_a_big_endian_length_and_a_big_endian_id()
    {
        var output = new ArrayBufferWriter<byte>();
        FrameWriter.WriteHeader(output, 0xabcd, 0x010203 - 2);
        Assert.Equal("00010203abcd", Hex.Of(output.WrittenSpan));
    }

    [Fact]
    public void Two_frames_are_read_however_they_are_cut()
        => Chunked.AsSequences(Hex.Bytes("00000004 0011 9201  00000002 ffff  0000"), input =>
        {
            Assert.True(FrameReader.TryRead(ref input, Limit, false, out int id, out ReadOnlySequence<byte> payload));
            Assert.Equal((0x11, "9201"), (id, Hex.Of(payload)));
            Assert.True(FrameReader.TryRead(ref input, Limit, false, out id, out payload));
            Assert.Equal((0xffff, ""), (id, Hex.Of(payload)));
            Assert.False(FrameReader.TryRead(ref input, Limit, false, out _, out _));
            Assert.Equal("0000", Hex.Of(input));
        });

    [Fact]
    public void A_contiguous_frame_is_read_like_any_other()
        => Chunked.AsSequences(Hex.Bytes("00000004 0011 9201  00000002 ffff"), input =>
        {
            if (!FrameReader.TryRead(input.FirstSpan, Limit, out int frameBytes, out int id))
                return;
            Assert.Equal((8, 0x11), (frameBytes, id));
            Assert.Equal("9201", Hex.Of(FrameReader.TakePayload(ref input, frameBytes)));
            Assert.Equal("00000002ffff", Hex.Of(input));
        });

    [Fact]
    public void A_payload_is_taken_from_an_array_too()
    {
        var input = new ReadOnlySequence<byte>(Hex.Bytes("ff 00000003 0011 c0 00"), 1, 8);
        Assert.Equal("c0", Hex.Of(FrameReader.TakePayload(ref input, 7)));
        Assert.Equal("00", Hex.Of(input));
    }

    [Theory]
    [InlineData("ffffffff", "reason.frametoolarge", "4294967295")] // F01
    [InlineData("7fffffff", "reason.frametoolarge", "2147483647")] // F04
    [InlineData("80000000", "reason.frametoolarge", "2147483648")] // F05
    [InlineData("000003e9", "reason.frametoolarge", "1001 bytes; at most 1000")]
    [InlineData("00000000", "reason.frametoosmall", "0 bytes")] // F06
    [InlineData("00000001", "reason.frametoosmall", "1 bytes")]
    public void A_length_is_judged_before_anything_follows_it(string hex, string reason, string inMessage)
        => Chunked.AsSequences(Hex.Bytes(hex), input =>
        {
            var refusal = Assert.Throws<ProtocolException>(() => FrameReader.TryRead(ref input, Limit, true, out _, out _));
            Assert.Equal(reason, refusal.Reason.Name);
            Assert.Contains(inMessage, refusal.Message, StringComparison.Ordinal);
            Assert.False(refusal.DropSilently);
        });

    [Theory]
    [InlineData("GET ", "HTTP")]
    [InlineData("POST", "HTTP")]
    [InlineData("HEAD", "HTTP")]
    [InlineData("PUT ", "HTTP")]
    [InlineData("HTTP", "HTTP")]
    [InlineData("OPTI", "HTTP")]
    [InlineData("DELE", "HTTP")]
    [InlineData("PRI ", "HTTP")]
    [InlineData("SSH-", "SSH")]
    [InlineData("\u0016\u0003\u0001\u0002", "TLS")]
    [InlineData("\u0016\u0003\u0003\u0000", "TLS")]
    public void Another_protocol_is_recognized_in_the_first_frame_only(string text, string name)
    {
        byte[] bytes = [.. text.Select(c => (byte)c)];
        var input = new ReadOnlySequence<byte>(bytes);
        var first = Assert.Throws<ProtocolException>(() => FrameReader.TryRead(ref input, Limit, true, out _, out _));
        Assert.Equal(CloseReason.FrameTooLarge, first.Reason);
        Assert.Contains("looks like " + name, first.Message, StringComparison.Ordinal);
        Assert.True(first.DropSilently);

        var later = Assert.Throws<ProtocolException>(() => FrameReader.TryRead(ref input, Limit, false, out _, out _));
        Assert.False(later.DropSilently);
    }
}
