using System.Buffers;
using System.Text;
using CsCheck;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Wire;

public sealed class PayloadScannerTests
{
    private const int MaxDepth = 64;
    private const int MaxItems = 65_536;

    [Theory]
    [InlineData("c0")]
    [InlineData("c400")] // M28
    [InlineData("a0")]
    [InlineData("90")]
    [InlineData("80")]
    [InlineData("d200000001")] // M29
    [InlineData("cfffffffffffffffff")] // M21: its type judges it
    [InlineData("c70cff 00000000 7fffffffffffffff")] // M24
    [InlineData("c70564 a3666f6f01")] // M26
    [InlineData("c70663 d27fffffff00")] // M27
    [InlineData("819001")] // M25
    [InlineData("82a16101a16102")] // M14: the payload's type judges it
    [InlineData("d6ff00000000")]
    [InlineData("c9 0000000c ff 3b9ac9ff 0000000000000000")]
    [InlineData("9a 7f e0 ca00000000 cb0000000000000000 cc00 cd0000 d000 d10000 d40100 d80100000000000000000000000000000000")]
    [InlineData("93 d901 61 da0001 62 db00000001 63")]
    [InlineData("92 c50001 00 c600000001 00")]
    [InlineData("92 dd00000001 c0 df00000001 c0 c0")]
    public void A_well_formed_value_passes(string hex)
        => Chunked.AsSequences(Hex.Bytes(hex), payload => Assert.False(PayloadScanner.Scan(payload, MaxDepth, MaxItems)));

    [Theory]
    [InlineData("", "empty")] // F08
    [InlineData("c1", "0xc1 at offset 0")] // M01
    [InlineData("92c0c1", "0xc1 at offset 2")]
    [InlineData("df40000000", "2147483648 more values")] // M03
    [InlineData("dfffffffff", "8589934590 more values")]
    [InlineData("ddffffffff", "4294967295 more values")]
    [InlineData("c9001000 00ff", "timestamp at offset 0 of the payload has 1048576 bytes")] // M06
    [InlineData("c700ff", "has 0 bytes")]
    [InlineData("d4ff00", "has 1 bytes")]
    [InlineData("a2c328", "text begins at offset 1")] // M16
    [InlineData("a3eda080", "not valid UTF-8")] // M17
    [InlineData("93 c0 a161 d902c328", "text begins at offset 6")]
    [InlineData("9201", "2 more values, with 1 bytes left")] // M19
    [InlineData("92a161", "cut off")]
    [InlineData("d7ffffffffffffffffff", "1073741823 nanoseconds; at most 999999999")] // M23
    [InlineData("c70cff 3b9aca00 0000000000000000", "1000000000 nanoseconds")]
    [InlineData("c0c0", "ends after 1 of 2 bytes")]
    [InlineData("90c0", "ends after 1 of 2 bytes")]
    [InlineData("c40000", "ends after 2 of 3 bytes")]
    [InlineData("c401", "cut off")]
    [InlineData("c4", "cut off")]
    [InlineData("c6ffffffff", "cut off")]
    [InlineData("cf00000000000000", "cut off")]
    [InlineData("91cd00", "cut off")]
    [InlineData("de00", "cut off")]
    [InlineData("d6ff000000", "cut off")]
    [InlineData("91c70cff00", "cut off")]
    public void Anything_else_is_refused_with_the_place(string hex, string inMessage)
        => Chunked.AsSequences(Hex.Bytes(hex), payload => AssertRefused(payload, CloseReason.MalformedPayload, inMessage));

    [Theory]
    [InlineData("81c400c0", true)]
    [InlineData("81a0c400", false)]
    [InlineData("91c400", false)]
    [InlineData("81a0 81c500006b", true)]
    [InlineData("81 91c400 c0", false)]
    [InlineData("82a161c0 c40162c0", true)]
    [InlineData("92 80 c400", false)]
    [InlineData("81 81c0c0 91c400", false)]
    public void A_binary_key_is_told(string hex, bool expected)
        => Chunked.AsSequences(Hex.Bytes(hex), payload => Assert.Equal(expected, PayloadScanner.Scan(payload, MaxDepth, MaxItems)));

    [Fact]
    public void A_value_inside_as_many_containers_as_the_limit_passes()
    {
        byte[] payload = [.. Enumerable.Repeat((byte)0x91, MaxDepth), 0xc0];
        Assert.False(PayloadScanner.Scan(new ReadOnlySequence<byte>(payload), MaxDepth, MaxItems));
        Assert.False(PayloadScanner.Scan(Chunked.Join(payload.Select(b => new[] { b })), MaxDepth, MaxItems));
    }

    [Fact]
    public void One_container_more_is_too_deep_even_if_it_is_empty() // M11
    {
        byte[] arrays = [.. Enumerable.Repeat((byte)0x91, MaxDepth), 0x90];
        AssertRefused(new ReadOnlySequence<byte>(arrays), CloseReason.DepthExceeded, "offset 64 of the payload is nested deeper than 64");
        byte[] maps = [.. Enumerable.Repeat(new byte[] { 0x81, 0xc0 }, MaxDepth).SelectMany(b => b), 0x80];
        AssertRefused(new ReadOnlySequence<byte>(maps), CloseReason.DepthExceeded, "offset 128");
    }

    [Fact]
    public void The_depth_is_that_of_open_containers_not_of_all()
    {
        byte[] payload = [0xdc, 0x01, 0x00, .. Enumerable.Repeat(new byte[] { 0x91, 0x90 }, 256).SelectMany(b => b)];
        Assert.False(PayloadScanner.Scan(new ReadOnlySequence<byte>(payload), 3, MaxItems));
        AssertRefused(new ReadOnlySequence<byte>(payload), CloseReason.DepthExceeded, "offset 4", maxDepth: 2);
    }

    [Fact]
    public void Nested_containers_cannot_count_the_same_bytes_again() // M12
    {
        byte[] payload = [.. Enumerable.Repeat(new byte[] { 0xdc, 0x7b, 0x0c }, 480).SelectMany(b => b), .. new byte[31_500]];
        AssertRefused(new ReadOnlySequence<byte>(payload), CloseReason.MalformedPayload, "At offset 3 the payload owes 62999 more values");
    }

    [Fact]
    public void Every_value_counts_as_an_item()
    {
        byte[] payload = Hex.Bytes("92 82 c0c0 c0c0 91 c0"); // 2 arrays, 1 map, 5 nils
        Assert.False(PayloadScanner.Scan(new ReadOnlySequence<byte>(payload), MaxDepth, 8));
        AssertRefused(new ReadOnlySequence<byte>(payload), CloseReason.TooManyItems, "8 values; at most 7", maxItems: 7);
    }

    [Fact]
    public void A_text_across_segments_is_judged_like_one_piece()
    {
        byte[] text = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("aé€😀", 5)));
        Chunked.AsSequences([0xd9, (byte)text.Length, .. text], payload => PayloadScanner.Scan(payload, MaxDepth, MaxItems));
        foreach (byte[] wrong in new byte[][] { [.. text, 0xe2, 0x82], [.. text, 0xed, 0xa0, 0x80, .. text], [.. text, 0x80], [0xf4, 0x90, 0x80, 0x80, .. text] })
        {
            Chunked.AsSequences(
                [0xd9, (byte)wrong.Length, .. wrong], payload => AssertRefused(payload, CloseReason.MalformedPayload, "text begins at offset 2"));
        }
    }

    [Fact]
    public void Every_random_value_passes()
        => Msgpack.Value.Sample(
            payload =>
            {
                Assert.True(Msgpack.IsOneValue(payload));
                PayloadScanner.Scan(new ReadOnlySequence<byte>(payload), MaxDepth, MaxItems);
            },
            iter: 3_000);

    [Fact]
    public void A_random_mutation_passes_exactly_if_the_model_says_so()
        => Gen.Select(Msgpack.Value, Gen.Int[0, 4], Gen.Int[0, 1_000_000], Gen.Byte).Sample(
            (payload, kind, place, b) =>
            {
                byte[] mutated = Mutate(payload, kind, place, b);
                Assert.Equal(Msgpack.IsOneValue(mutated), Outcome(new ReadOnlySequence<byte>(mutated)) is "False" or "True");
            },
            iter: 20_000);

    [Fact]
    public void Random_segments_change_nothing()
        => Gen.Select(Msgpack.Value, Gen.Int[0, 5], Gen.Int[0, 1_000_000], Gen.Byte, Gen.Int[1, 25].Array[1, 8]).Sample(
            (payload, kind, place, b, lengths) =>
            {
                byte[] mutated = Mutate(payload, kind, place, b);
                Assert.Equal(Outcome(new ReadOnlySequence<byte>(mutated)), Outcome(Chunked.Join(Cut(mutated, lengths))));
            },
            iter: 20_000);

    [Theory]
    [InlineData("ddffffffff")]
    [InlineData("dfffffffff")]
    [InlineData("c6ffffffff")]
    [InlineData("dbffffffff")]
    [InlineData("c9ffffffff01")]
    public void What_a_payload_declares_allocates_nothing(string hex)
    {
        var payload = new ReadOnlySequence<byte>(Hex.Bytes(hex));
        Assert.NotEmpty(Outcome(payload)); // once, to have everything loaded
        long before = GC.GetAllocatedBytesForCurrentThread();
        Outcome(payload);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 16_384); // an exception with its message and its trace
    }

    [Fact]
    public void Scanning_allocates_nothing()
    {
        byte[] bytes = Hex.Bytes("82 c4026161 92 a162 cd0101 a163 da0003 e282ac");
        var whole = new ReadOnlySequence<byte>(bytes);
        ReadOnlySequence<byte> cut = Chunked.Join(bytes.Select(b => new[] { b }));
        PayloadScanner.Scan(whole, MaxDepth, MaxItems);
        PayloadScanner.Scan(cut, MaxDepth, MaxItems);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            PayloadScanner.Scan(whole, MaxDepth, MaxItems);
            PayloadScanner.Scan(cut, MaxDepth, MaxItems);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void AssertRefused(
        in ReadOnlySequence<byte> payload, CloseReason reason, string inMessage, int maxDepth = MaxDepth, int maxItems = MaxItems)
    {
        ReadOnlySequence<byte> copy = payload;
        var refusal = Assert.Throws<ProtocolException>(() => PayloadScanner.Scan(copy, maxDepth, maxItems));
        Assert.Equal(reason, refusal.Reason);
        Assert.Contains(inMessage, refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>What the scanner returns or why it refuses; any other exception goes through.</summary>
    private static string Outcome(in ReadOnlySequence<byte> payload)
    {
        try
        {
            return PayloadScanner.Scan(payload, MaxDepth, MaxItems).ToString();
        }
        catch (ProtocolException refusal)
        {
            return $"{refusal.Reason}: {refusal.Message}";
        }
    }

    private static byte[] Mutate(byte[] payload, int kind, int place, byte b)
    {
        place %= payload.Length;
        return kind switch
        {
            0 => payload[..place],
            1 => [.. payload[..place], b, .. payload[(place + 1)..]],
            2 => [.. payload[..place], b, .. payload[place..]],
            3 => [.. payload[..place], .. payload[(place + 1)..]],
            4 => [.. payload, b],
            _ => payload,
        };
    }

    private static IEnumerable<byte[]> Cut(byte[] bytes, int[] lengths)
    {
        for (int i = 0, at = 0; at < bytes.Length; i++)
        {
            int length = int.Min(lengths[i % lengths.Length], bytes.Length - at);
            yield return bytes[at..(at + length)];
            at += length;
        }
    }
}
