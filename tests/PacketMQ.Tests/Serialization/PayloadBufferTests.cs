using System.Buffers;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class PayloadBufferTests
{
    [Fact]
    public void A_thread_gets_its_own_buffer_again_empty()
    {
        PayloadBuffer first = PayloadBuffer.Rent(1_000, "test:a");
        first.Write<byte>([1, 2, 3]);
        Assert.Equal([1, 2, 3], first.WrittenSpan.ToArray());
        first.Dispose();
        using PayloadBuffer second = PayloadBuffer.Rent(1_000, "test:a");
        Assert.Same(first, second);
        Assert.Equal(0, second.WrittenMemory.Length);
    }

    [Fact]
    public void A_nested_encode_gets_another_one()
    {
        using PayloadBuffer outer = PayloadBuffer.Rent(1_000, "test:a");
        outer.Write<byte>([1]);
        using (PayloadBuffer inner = PayloadBuffer.Rent(1_000, "test:b"))
        {
            Assert.NotSame(outer, inner);
            inner.Write<byte>([2]);
        }

        Assert.Equal([1], outer.WrittenSpan.ToArray());
    }

    [Fact]
    public void A_large_array_is_not_kept()
    {
        PayloadBuffer buffer = PayloadBuffer.Rent(1_000_000, "test:a");
        buffer.Write(new byte[100_000]);
        Assert.Equal(100_000, buffer.WrittenCount);
        buffer.Dispose();
        using PayloadBuffer again = PayloadBuffer.Rent(1_000_000, "test:a");
        Assert.InRange(again.GetMemory().Length, 1, 65_536);
    }

    [Fact]
    public void The_limit_counts_what_is_written_not_what_is_asked_for()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(100, "test:a");
        DynamicCodec.Write(buffer, new string('x', 98));
        Assert.Equal(100, buffer.WrittenCount);
        using PayloadBuffer full = PayloadBuffer.Rent(100, "test:a");
        PacketException e = Assert.Throws<PacketException>(() => DynamicCodec.Write(full, new string('x', 99)));
        Assert.Equal("The payload of the packet 'test:a' has 101 bytes or more; the limit is 100 bytes.", e.Message);
    }

    [Fact]
    public void A_hint_far_above_the_limit_is_refused_before_memory_is_taken()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(99_997, "test:a");
        Assert.Throws<PacketException>(() => buffer.GetSpan(1_000_000_000));
        Assert.Throws<PacketException>(() => DynamicCodec.Write(buffer, new byte[200_000]));
    }

    [Fact]
    public void A_typed_payload_above_the_limit_is_refused_as_well()
    {
        using PayloadBuffer buffer = PayloadBuffer.Rent(100, "test:a");
        PacketException e = Assert.Throws<PacketException>(() => TypedCodec<byte[]>.Create().Write(buffer, new byte[99]));
        Assert.Contains("the limit is 100 bytes", e.Message);
    }

    [Fact]
    public void What_was_given_back_can_not_be_used()
    {
        PayloadBuffer buffer = PayloadBuffer.Rent(100, "test:a");
        buffer.Dispose();
        buffer.Dispose();
        Assert.Throws<ObjectDisposedException>(() => buffer.GetSpan());
        Assert.Throws<ObjectDisposedException>(() => buffer.WrittenMemory);
    }
}
