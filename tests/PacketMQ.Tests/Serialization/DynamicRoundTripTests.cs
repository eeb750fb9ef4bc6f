using System.Dynamic;
using CsCheck;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class DynamicRoundTripTests
{
    [Fact]
    public void What_was_written_is_read_again()
        => DynamicValues.Any.Sample(value => DynamicValues.AreSame(value, Payload.Read(Payload.Write(value))), iter: 10_000);

    [Fact]
    public void What_was_read_writes_the_same_bytes()
        => DynamicValues.Any.Select(value => Payload.Write(value)).Sample(
            bytes => bytes.AsSpan().SequenceEqual(Payload.Write(Payload.Read(bytes))), iter: 10_000);

    [Fact]
    public void Segments_make_no_difference()
        => Gen.Select(DynamicValues.Any, Gen.Int[1, 9]).Sample(
            (value, length) => DynamicValues.AreSame(value, DynamicCodec.Read(Payload.InSegments(Payload.Write(value), length))), iter: 1_000);

    [Fact]
    public void The_documented_example_has_the_bytes_of_a_python_peer()
    {
        var value = new Dictionary<object, object?>
        {
            [123] = null,
            [0.001] = true,
            ["foo"u8.ToArray()] = "bar"u8.ToArray(),
            ["mylist"u8.ToArray()] = new[] { "abc"u8.ToArray(), "def"u8.ToArray() },
        };

        const string Expected = "847bc0cb3f50624dd2f1a9fcc3c403666f6fc403626172c4066d796c69737492c403616263c403646566";
        Assert.Equal(Expected, Payload.Hex(Payload.Write(value)));
        Assert.Equal(Expected, Payload.Hex(Payload.Write(Payload.Read(Expected))));
    }

    [Theory]
    [InlineData("c0")]
    [InlineData("c2")]
    [InlineData("c3")]
    [InlineData("7f")]
    [InlineData("cc80")]
    [InlineData("cdffff")]
    [InlineData("ceffffffff")]
    [InlineData("cf0000000100000000")]
    [InlineData("cfffffffffffffffff")]
    [InlineData("e0")]
    [InlineData("d0df")]
    [InlineData("d1ff7f")]
    [InlineData("d2ffff7fff")]
    [InlineData("d3ffffffff7fffffff")]
    [InlineData("d38000000000000000")]
    [InlineData("ca3fc00000")]
    [InlineData("ca7fc00001")]
    [InlineData("cb3ff8000000000000")]
    [InlineData("cb7ff8000000000001")]
    [InlineData("cb8000000000000000")]
    [InlineData("a0")]
    [InlineData("a161")]
    [InlineData("c400")]
    [InlineData("90")]
    [InlineData("80")]
    [InlineData("d6ff00000000")]
    [InlineData("d7ff0000000100000001")]
    [InlineData("d7ff0000000200000000")]
    [InlineData("d7ff0000019000000001")]
    [InlineData("c70cff00000000ffffffffffffffff")]
    [InlineData("c70cff000000007fffffffffffffff")]
    [InlineData("c70cff0000000100000000ffffffff")]
    [InlineData("d40501")]
    [InlineData("d5050102")]
    [InlineData("d605ffffffff")]
    [InlineData("c70005")]
    [InlineData("c70305010203")]
    [InlineData("82c40161c0a162c4017a")]
    public void Shortest_forms_survive_byte_for_byte(string hex)
        => Assert.Equal(hex, Payload.Hex(Payload.Write(Payload.Read(hex))));

    [Fact]
    public void Types_come_back_as_documented()
    {
        Assert.Equal(1L, Payload.Read("01"));
        Assert.Equal((ulong)long.MaxValue + 1, Payload.Read("cf8000000000000000"));
        Assert.Equal(1.5f, Payload.Read("ca3fc00000"));
        Assert.Equal(1.5, Payload.Read("cb3ff8000000000000"));
        Assert.Equal("a", Payload.Read("a161"));
        Assert.Equal("a"u8.ToArray(), Payload.Read("c40161"));
        Assert.Equal(new object?[] { null, true }, Payload.Read("92c0c3"));
        Assert.Equal(new PacketExtension(5, new byte[] { 1 }), Payload.Read("d40501"));
        DateTime time = Assert.IsType<DateTime>(Payload.Read("d7ff0000019000000001"));
        Assert.Equal(DateTime.UnixEpoch.AddTicks(TimeSpan.TicksPerSecond + 1), time);
        Assert.Equal(DateTimeKind.Utc, time.Kind);
    }

    [Fact]
    public void Every_integer_type_takes_its_shortest_form()
    {
        object[] ones = [(sbyte)1, (byte)1, (short)1, (ushort)1, 1, 1u, 1L, 1ul];
        Assert.All(ones, one => Assert.Equal("01", Payload.Hex(Payload.Write(one))));
        Assert.Equal("cc80", Payload.Hex(Payload.Write(128L)));
        Assert.Equal("d080", Payload.Hex(Payload.Write(-128L)));
    }

    [Fact]
    public void Every_form_of_bytes_is_a_bin()
    {
        byte[] bytes = [1, 2];
        object[] forms = [bytes, (ReadOnlyMemory<byte>)bytes, (Memory<byte>)bytes, new ArraySegment<byte>(bytes), Payload.InSegments(bytes, 1)];
        Assert.All(forms, form => Assert.Equal("c4020102", Payload.Hex(Payload.Write(form))));
        Assert.Equal("9201ff", Payload.Hex(Payload.Write(new sbyte[] { 1, -1 })));
    }

    [Fact]
    public void Times_are_sent_as_utc()
    {
        var time = new DateTimeOffset(1970, 1, 1, 1, 0, 1, TimeSpan.FromHours(1));
        Assert.Equal("d6ff00000001", Payload.Hex(Payload.Write(time)));
        Assert.Equal("d6ff00000001", Payload.Hex(Payload.Write(time.LocalDateTime)));
    }

    [Fact]
    public void All_kinds_of_collections_are_sent()
    {
        Assert.Equal("93010203", Payload.Hex(Payload.Write(new List<int> { 1, 2, 3 })));
        Assert.Equal("93010203", Payload.Hex(Payload.Write(new HashSet<int> { 1, 2, 3 })));
        Assert.Equal("93010203", Payload.Hex(Payload.Write(Enumerable.Range(1, 3).Where(i => i > 0))));
        Assert.Equal("81a16101", Payload.Hex(Payload.Write(new Dictionary<string, int> { ["a"] = 1 })));
        Assert.Equal("81a16101", Payload.Hex(Payload.Write(new SortedDictionary<string, int> { ["a"] = 1 })));
        dynamic expando = new ExpandoObject();
        expando.a = 1;
        Assert.Equal("81a16101", Payload.Hex(Payload.Write((object)expando)));
        Assert.Equal("81a16101", Payload.Hex(Payload.Write(new[] { KeyValuePair.Create<string, object?>("a", 1) })));
        Assert.Equal("810161", Payload.Hex(Payload.Write(new[] { KeyValuePair.Create<object, object?>(1, 0x61) }.Where(_ => true))));
    }

    [Fact]
    public void Depth_is_counted_in_arrays_and_maps()
    {
        object? value = 1;
        for (int i = 0; i < 64; i++)
            value = new[] { value };
        Assert.Equal(65, Payload.Write(value).Length);
        PacketException e = Assert.Throws<PacketException>(() => Payload.Write(new[] { value }));
        Assert.Contains("limit of 64", e.Message);
        Assert.Throws<PacketException>(() => Payload.Write(new object?[0], maxDepth: 0));
        Assert.Equal("c0", Payload.Hex(Payload.Write(null, maxDepth: 0)));
    }

    [Fact]
    public void Big_collections_outgrow_what_is_made_room_for()
    {
        object?[] items = [.. Enumerable.Range(0, 20_000).Select(i => (object?)(long)i)];
        Assert.True(DynamicValues.AreSame(items, Payload.Read(Payload.Write(items))));
    }
}
