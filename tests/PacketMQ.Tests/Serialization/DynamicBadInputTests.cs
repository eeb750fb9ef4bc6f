using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

/// <summary>The rows of the bad-input catalogue, groups M and P, that reach decoding; the names carry their ids.</summary>
public sealed class DynamicBadInputTests
{
    [Theory]
    [InlineData("82a16101a16102", "\"a\"")]
    [InlineData("82a16101c4016102", "b\"a\"")]
    [InlineData("82c4016101a16102", "\"a\"")]
    [InlineData("82c401ff01c401ff02", "h'ff'")]
    [InlineData("820101d3000000000000000102", "1")]
    [InlineData("82ca3f80000001cb3ff000000000000002", "1.0")]
    [InlineData("82cb000000000000000001cb800000000000000002", "-0.0")]
    [InlineData("82a11b01a11b02", "\"\\u001b\"")]
    public void M14_a_key_that_comes_twice_is_refused(string hex, string key)
    {
        PayloadException e = Assert.Throws<PayloadException>(() => Payload.Read(hex));
        Assert.Equal(CloseReason.DuplicateKey, e.Reason);
        Assert.Equal($"A map has the key {key} twice.", e.Message);
    }

    [Fact]
    public void M14_an_integer_a_float_and_a_bool_are_three_keys()
    {
        var map = Assert.IsAssignableFrom<PacketMap>(Payload.Read("8301a169cb3ff0000000000000a166c3a162"));
        Assert.Equal("i", map[1]);
        Assert.Equal("f", map[1.0]);
        Assert.Equal("b", map[true]);
    }

    [Fact]
    public void M15_colliding_keys_cost_about_as_much_as_random_ones()
    {
        Assert.Equal(0, (((long)7 << 32) | 7).GetHashCode());
        (TimeSpan random, TimeSpan colliding) = Measure.BestTimes(() => Payload.Read(Payload.RandomKeys), () => Payload.Read(Payload.CollidingKeys));
        Assert.InRange(colliding, TimeSpan.Zero, 5 * random);
        (random, colliding) = Measure.BestTimes(() => Payload.Read(Payload.RandomKeys), () => Payload.Read(Payload.CollidingFloats));
        Assert.InRange(colliding, TimeSpan.Zero, 5 * random);
    }

    [Fact]
    public void M24_a_timestamp_outside_of_datetime_stays_an_extension()
    {
        PacketExtension value = Assert.IsType<PacketExtension>(Payload.Read("c70cff000000007fffffffffffffff"));
        Assert.Equal(-1, value.TypeCode);
        Assert.Equal(12, value.Data.Length);
    }

    [Theory]
    [InlineData("819001", "Array")]
    [InlineData("818001", "Map")]
    [InlineData("81c001", "Nil")]
    public void M25_arrays_maps_and_nil_are_no_keys(string hex, string type)
    {
        PayloadException e = Assert.Throws<PayloadException>(() => Payload.Read(hex));
        Assert.Equal(CloseReason.TypeMismatch, e.Reason);
        Assert.Contains($"msgpack type {type}", e.Message);
    }

    [Fact]
    public void M26_and_M27_foreign_extensions_stay_opaque()
    {
        Assert.Equal(new PacketExtension(0x64, Payload.Bytes("a3666f6f01")), Payload.Read("c70564a3666f6f01"));
        Assert.Equal(new PacketExtension(0x63, Payload.Bytes("d27fffffff00")), Payload.Read("c70663d27fffffff00"));
    }

    [Fact]
    public void M28_empty_values_are_values()
    {
        Assert.Equal(Array.Empty<byte>(), Payload.Read("c400"));
        Assert.Equal("", Payload.Read("a0"));
        Assert.Equal(Array.Empty<object?>(), Payload.Read("90"));
        Assert.Empty(Assert.IsAssignableFrom<PacketMap>(Payload.Read("80")));
    }

    [Fact]
    public void M29_longer_forms_of_integers_are_read() => Assert.Equal(1L, Payload.Read("d200000001"));

    [Fact]
    public void P04_a_type_name_is_a_plain_string()
    {
        object? value = Payload.Read("81a52474797065bc53797374656d2e494f2e46696c65496e666f2c206d73636f726c6962");
        Assert.Equal("System.IO.FileInfo, mscorlib", Assert.IsAssignableFrom<PacketMap>(value)["$type"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("c1")]
    [InlineData("91")]
    [InlineData("a261")]
    [InlineData("c4")]
    [InlineData("81a1")]
    [InlineData("0101")]
    [InlineData("ddffffffff01")]
    [InlineData("df40000000")]
    [InlineData("c9ffffffff01")]
    public void What_the_wire_should_have_kept_out_is_still_only_refused(string hex)
        => Assert.Equal(CloseReason.TypeMismatch, Assert.Throws<PayloadException>(() => Payload.Read(hex)).Reason);

    [Fact]
    public void Nesting_has_an_end()
    {
        byte[] deep = [.. Enumerable.Repeat((byte)0x91, 100_000), 0xc0];
        Assert.Throws<PayloadException>(() => Payload.Read(deep));
    }

    [Fact]
    public void Random_bytes_never_lead_to_another_exception()
    {
        var random = new Random(7);
        byte[] bytes = new byte[40];
        for (int i = 0; i < 50_000; i++)
        {
            random.NextBytes(bytes);
            try
            {
                Payload.Read(bytes.AsSpan(0, random.Next(1, 40)).ToArray());
            }
            catch (PayloadException)
            {
                // The expected end of nearly all of them.
            }
        }
    }
}
