using System.Buffers;
using PacketMQ.Serialization;
using PolyType;

namespace PacketMQ.Tests.Serialization;

/// <summary>The rows of the bad-input catalogue, groups M and P, that reach typed decoding; the names carry their ids.</summary>
public sealed class TypedBadInputTests
{
    [Theory]
    [InlineData("82a15801a15802")]
    [InlineData("84a15801a15902a15901a55370656564cb3fe0000000000000")]
    [InlineData("85a15801a15902a55370656564cb3fe0000000000000a25570c3a15801")]
    public void M14_a_field_that_comes_twice_is_a_duplicate_key(string hex)
    {
        PayloadException e = Assert.Throws<PayloadException>(() => Payload.ReadTyped<Position>(hex));
        Assert.Equal(CloseReason.DuplicateKey, e.Reason);
        Assert.Contains("PacketMQ.Tests.Serialization.Position", e.Message);
    }

    [Fact]
    public void M14_an_entry_of_a_typed_dictionary_that_comes_twice_is_a_duplicate_key()
    {
        PayloadException e = Assert.Throws<PayloadException>(() => Payload.ReadTyped<Dictionary<string, string>>("82a161a178a161a179"));
        Assert.Equal(CloseReason.DuplicateKey, e.Reason);
        e = Assert.Throws<PayloadException>(() => Payload.ReadTyped<Dictionary<string, string>>("82c40161a178a161a179", hasBinaryKeys: true));
        Assert.Equal(CloseReason.DuplicateKey, e.Reason);
    }

    [Fact]
    public void M21_numbers_never_wrap()
    {
        Payload.AssertMismatch<int>("cfffffffffffffffff", "System.Int32");
        Payload.AssertMismatch<long>("cfffffffffffffffff", "System.Int64");
        Payload.AssertMismatch<int>("ce80000000", "System.Int32");
        Payload.AssertMismatch<Position>("84a158cfffffffffffffffffa15902a55370656564cb3fe0000000000000a25570c3", "Position");
    }

    [Fact]
    public void M24_a_timestamp_outside_of_datetime_is_a_mismatch()
    {
        Payload.AssertMismatch<Moment>("81a454696d65c70cff000000007fffffffffffffff", "Moment");
        Payload.AssertMismatch<Moment>("81a454696d65c70cff000000008000000000000000", "Moment");
    }

    [Fact]
    public void M25_an_array_as_a_key_is_a_mismatch()
    {
        Payload.AssertMismatch<Dictionary<string, string>>("819001", "Dictionary");
        Payload.AssertMismatch<Position>("819001", "Position");
        Payload.AssertMismatch<Dictionary<string, string>>("81c0a161", "Dictionary");
    }

    [Fact]
    public void M28_and_M29_empty_values_and_long_forms_are_read()
    {
        Assert.Equal("", Payload.ReadTyped<string>("a0"));
        Assert.Equal("", Payload.ReadTyped<string>("c400"));
        Assert.Empty(Payload.ReadTyped<byte[]>("c400"));
        Assert.Empty(Payload.ReadTyped<string[]>("90"));
        Assert.Empty(Payload.ReadTyped<Dictionary<string, string>>("80"));
        Assert.Equal(1, Payload.ReadTyped<int>("d200000001"));
    }

    /// <summary>The serializer's converters check less in segments; fuzzing found it.</summary>
    [Theory]
    [InlineData("82 a6416d6f756e74 a23104 a24964 c41030313233343536373839616263646566")] // a character behind the decimal's digits
    [InlineData("82 a6416d6f756e74 a131 a24964 c403010203")] // three bytes where a Guid has 16
    public void What_is_refused_in_one_piece_is_refused_in_segments(string hex)
    {
        byte[] payload = Payload.Bytes(hex);
        var codec = TypedCodec<Exact>.Create();
        Assert.Throws<PayloadException>(() => codec.Read(Payload.Whole(payload), hasBinaryKeys: false));
        for (int length = 1; length < payload.Length; length++)
            Assert.Throws<PayloadException>(() => codec.Read(Payload.InSegments(payload, length), hasBinaryKeys: false));
    }

    [Fact]
    public void P01_another_type_is_a_mismatch()
    {
        Payload.AssertMismatch<Position>("a178", "Position");
        Payload.AssertMismatch<Dictionary<string, string>>("a178", "Dictionary");
        Payload.AssertMismatch<string>("01", "System.String");
        Payload.AssertMismatch<string>("c401ff", "are not UTF-8");
        Payload.AssertMismatch<List<string>>("80", "List");
        Payload.AssertMismatch<Player>("82a44e616d65a178a54c6576656ca178", "'Level'");
    }

    [Fact]
    public void P05_ten_thousand_unknown_fields_are_skipped_without_a_trace()
    {
        byte[] bytes = Payload.Container(0xdf, 10_000, output =>
        {
            for (int i = 0; i < 9_996; i++)
                output.Write<byte>([0xa4, (byte)('a' + (i % 26)), (byte)('a' + (i / 26 % 26)), (byte)('a' + (i / 676)), (byte)'z', (byte)0x92, (byte)1, (byte)0x80]);
            output.Write(Payload.Bytes("a15801a15902a55370656564cb3fe0000000000000a25570c3"));
        });

        Assert.Equal(new Position(1, 2, 0.5, true), Payload.ReadTyped<Position>(bytes));
        var codec = TypedCodec<Position>.Create();
        Assert.Equal(0, Measure.AllocatedBytes(() => codec.Read(Payload.Whole(bytes), hasBinaryKeys: false), times: 10));
    }

    [Fact]
    public void M15_colliding_keys_of_a_typed_dictionary_cost_about_as_much_as_random_ones()
    {
        var codec = new TypedCodec<Dictionary<long, bool>>((ITypeShape<Dictionary<long, bool>>)Witness.GeneratedTypeShapeProvider.GetTypeShape(typeof(Dictionary<long, bool>))!);
        (TimeSpan random, TimeSpan colliding) = Measure.BestTimes(
            () => codec.Read(Payload.Whole(Payload.RandomKeys), hasBinaryKeys: false),
            () => codec.Read(Payload.Whole(Payload.CollidingKeys), hasBinaryKeys: false));
        Assert.InRange(colliding, TimeSpan.Zero, 5 * random);
    }

    [Theory]
    [InlineData("")]
    [InlineData("c1")]
    [InlineData("81")]
    [InlineData("81a4")]
    [InlineData("c4")]
    [InlineData("dfffffffff")]
    public void What_the_wire_should_have_kept_out_is_still_only_refused(string hex)
    {
        Assert.Throws<PayloadException>(() => Payload.ReadTyped<Player>(hex));
        Assert.Throws<PayloadException>(() => Payload.ReadTyped<Player>(hex, hasBinaryKeys: true));
    }
}
