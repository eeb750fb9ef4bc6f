using System.Buffers;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class AllocationTests
{
    private static readonly Position Value = new(1, -200, 0.5, true);

    [Fact]
    public void Writing_a_struct_into_a_reused_buffer_allocates_nothing()
    {
        var codec = TypedCodec<Position>.Create();
        Assert.Equal(0, Measure.AllocatedBytes(() =>
        {
            using PayloadBuffer buffer = PayloadBuffer.Rent(1_000, "test:position");
            codec.Write(buffer, Value);
        }));
    }

    [Fact]
    public void Reading_a_struct_allocates_nothing()
    {
        var codec = TypedCodec<Position>.Create();
        ReadOnlySequence<byte> whole = Payload.Whole(Payload.WriteTyped(Value));
        Assert.Equal(0, Measure.AllocatedBytes(() => codec.Read(whole, hasBinaryKeys: false)));
    }

    [Fact]
    public void Reading_a_struct_with_keys_of_python_2_allocates_nothing()
    {
        var codec = TypedCodec<Position>.Create();
        ReadOnlySequence<byte> whole = Payload.Whole(Payload.Bytes("84c4015801c4015902c4055370656564cb3fe0000000000000c4025570c3"));
        Assert.Equal(0, Measure.AllocatedBytes(() => codec.Read(whole, hasBinaryKeys: true)));
    }

    [Fact]
    public void Reading_a_string_allocates_the_string()
    {
        var codec = TypedCodec<string>.Create();
        ReadOnlySequence<byte> whole = Payload.Whole(Payload.WriteTyped("0123456789"));
        // Header, length and 10 + 1 characters, rounded up to 8.
        Assert.Equal(48, Measure.AllocatedBytes(() => codec.Read(whole, hasBinaryKeys: false)));
    }

    /// <summary>Not what the array grew from, and no object for each value: a byte that costs 40 is what an attacker would send.</summary>
    [Theory]
    [InlineData("01")]
    [InlineData("ff")]
    [InlineData("ccff")]
    [InlineData("d080")]
    [InlineData("a0")]
    [InlineData("c400")]
    [InlineData("90")]
    [InlineData("c3")]
    public void Reading_many_small_values_allocates_the_array(string value)
    {
        byte[] bytes = Payload.Bytes(value);
        byte[] payload = Payload.Container(0xdd, 50_000, output =>
        {
            for (int i = 0; i < 50_000; i++)
                output.Write(bytes);
        });
        Assert.InRange(Measure.AllocatedBytes(() => Payload.Read(payload), times: 1), 8 * 50_000, 8 * 50_005 + 65_536);
    }

    [Fact]
    public void Writing_dynamic_arrays_and_scalars_allocates_nothing()
    {
        object?[] value = [1, "text", new object?[] { 2.5, true, null }];
        Assert.Equal(0, Measure.AllocatedBytes(() =>
        {
            using PayloadBuffer buffer = PayloadBuffer.Rent(1_000, "test:dynamic");
            DynamicCodec.Write(buffer, value);
        }));
    }
}
