using PacketMQ.Serialization;
using PacketMQ.Tests.Serialization;

namespace PacketMQ.Tests;

public sealed class PacketMapTests
{
    public static TheoryData<int> Sizes { get; } = [0, 1, 2, 3, 7, 8, 9, 12, 13, 100, 5_000];

    [Theory, MemberData(nameof(Sizes))]
    public void What_arrived_is_found_in_the_order_of_arrival(int size)
    {
        KeyValuePair<object, object?>[] pairs = Pairs(size);
        foreach (PacketMap map in new[] { PacketMap.Create(pairs), Arrived(pairs) })
        {
            Assert.Equal(size, map.Count);
            Assert.Equal(pairs.Select(pair => pair.Value), map.Values);
            Assert.Equal(pairs.Select(pair => pair.Key), map.Keys);
            Assert.Equal(size, ((System.Collections.IEnumerable)map).Cast<KeyValuePair<object, object?>>().Count());
            foreach ((object key, object? value) in pairs)
            {
                Assert.Equal(value, map[key]);
                Assert.True(map.ContainsKey(key));
            }

            for (int i = 0; i < 3; i++)
            {
                Assert.False(map.TryGetValue($"no such key {i}", out object? none));
                Assert.Null(none);
            }
        }
    }

    [Theory, MemberData(nameof(Sizes))]
    public void A_key_that_comes_twice_is_refused_wherever_it_stands(int size)
    {
        KeyValuePair<object, object?>[] pairs = Pairs(size);
        foreach (int twice in new[] { 0, size / 2, size - 1 }.Where(place => place >= 0 && place < size))
        {
            KeyValuePair<object, object?>[] more = [.. pairs, pairs[twice]];
            Assert.Contains("twice", Assert.Throws<ArgumentException>(() => PacketMap.Create(more)).Message);
            byte[] payload = Payload.Container(0xdf, more.Length, output =>
            {
                foreach ((object key, object? value) in more)
                {
                    DynamicCodec.Write(output, key);
                    DynamicCodec.Write(output, value);
                }
            });
            Assert.Equal(CloseReason.DuplicateKey, Assert.Throws<PayloadException>(() => Payload.Read(payload)).Reason);
        }
    }

    [Theory, MemberData(nameof(Sizes))]
    public void A_map_that_arrived_is_sent_in_the_same_bytes(int size)
    {
        byte[] payload = Payload.Write(PacketMap.Create(Pairs(size)));
        Assert.Equal(payload, Payload.Write(Payload.Read(payload)));
        Assert.Equal(payload, Payload.Write(new Dictionary<object, object?>(Arrived(Pairs(size)), PacketMap.KeyComparer)));
    }

    /// <summary>Integers that <see cref="long"/> hashes all to the same: the codes are the comparer's, and how often two keys are compared is counted.</summary>
    [Fact]
    public void Colliding_keys_are_compared_about_once_each()
    {
        const int Count = 20_000;
        var comparisons = new Counter();
        CountedKey[] keys = [.. Enumerable.Range(1, Count).Select(i => new CountedKey(((long)i << 32) | (uint)i, comparisons))];
        Assert.Single(keys.Select(key => key.Number.GetHashCode()).Distinct());

        var map = PacketMap.Create(keys.Select(key => KeyValuePair.Create<object, object?>(key, true)));
        Assert.InRange(comparisons.Value, 0, Count / 10);
        comparisons.Value = 0;
        Assert.All(keys, key => Assert.True(map.ContainsKey(new CountedKey(key.Number, comparisons))));
        Assert.InRange(comparisons.Value, Count, Count + (Count / 10));
    }

    [Fact]
    public void A_key_is_found_under_what_is_equal_to_it()
    {
        var map = (PacketMap)Payload.Read("83c403666f6f01 cb3f50624dd2f1a9fc02 7b03")!;
        Assert.Equal(1L, map["foo"]);
        Assert.Equal(1L, map[new ReadOnlyMemory<byte>("foo"u8.ToArray())]);
        Assert.Equal(3L, map[(byte)123]);
        Assert.Equal(3L, new Dictionary<object, object?>(map, PacketMap.KeyComparer)[123u]);
    }

    [Fact]
    public void A_missing_key_is_named_and_null_is_none()
    {
        var map = PacketMap.Create([new("a", 1), new("b", null)]);
        Assert.Equal("The map has no key \"c\\u001b\".", Assert.Throws<KeyNotFoundException>(() => map["c\u001b"]).Message);
        Assert.Throws<ArgumentNullException>(() => map[null!]);
        Assert.Throws<ArgumentNullException>(() => PacketMap.Empty.ContainsKey(null!));
        Assert.Throws<ArgumentNullException>(() => PacketMap.Create(null!));
        Assert.Contains("null", Assert.Throws<ArgumentException>(() => PacketMap.Create([new(null!, 1)])).Message);
        Assert.True(map.TryGetValue("b", out object? nothing));
        Assert.Null(nothing);
        Assert.Equal("""{"a": 1, "b": null}""", map.ToString());
    }

    [Fact]
    public void Equal_maps_are_two_objects_and_empty_ones_are_one()
    {
        Assert.False(Payload.Read("810101")!.Equals(Payload.Read("810101")));
        Assert.Same(PacketMap.Empty, Payload.Read("80"));
        Assert.Same(PacketMap.Empty, PacketMap.Create([]));
    }

    [Fact]
    public void Keys_of_the_bytes_of_one_another_are_told_apart_when_a_map_is_made()
    {
        byte[] bytes = [1, 2];
        Assert.Throws<ArgumentException>(() => PacketMap.Create([new(bytes, 1), new((ReadOnlyMemory<byte>)bytes.ToArray(), 2)]));
        Assert.Throws<ArgumentException>(() => PacketMap.Create([new("a", 1), new("a"u8.ToArray(), 2)]));
    }

    [Fact]
    public void Walking_finding_and_sending_allocate_nothing()
    {
        PacketMap map = Arrived(Pairs(100));
        object key = map.Keys.Last();
        Assert.Equal(0, Measure.AllocatedBytes(() =>
        {
            foreach ((object _, object? value) in map)
                Assert.NotNull(value);
            Assert.True(map.ContainsKey(key));
            using PayloadBuffer buffer = PayloadBuffer.Rent(10_000, "test:map");
            DynamicCodec.Write(buffer, map);
        }));
    }

    [Fact]
    public void Records_of_a_list_share_the_strings_of_their_keys()
    {
        object?[] records = (object?[])Payload.Read(Payload.Write(
            Enumerable.Range(0, 3).Select(i => new Dictionary<string, object?> { ["number"] = i, ["name"] = "x" + i, ["größe"] = i })))!;
        object[][] keys = [.. records.Select(record => ((PacketMap)record!).Keys.ToArray())];
        Assert.All(keys, own => Assert.Equal(["number", "name", "größe"], own));
        Assert.Same(keys[0][0], keys[2][0]);
        Assert.Same(keys[0][1], keys[2][1]);
    }

    [Fact]
    public void A_member_of_a_typed_payload_can_be_a_map()
    {
        var value = new Mapped(PacketMap.Create([new("a", 1L), new(2L, "b")]), null);
        byte[] payload = Payload.WriteTyped(value);
        Mapped read = Payload.ReadTyped<Mapped>(payload);
        Assert.Equal(value.Map, read.Map);
        Assert.Equal("b", read.Map[2]);
        Assert.Null(read.Optional);
        Payload.AssertMismatch<Mapped>("82a34d617001a84f7074696f6e616cc0", "where a map is expected");
    }

    private static PacketMap Arrived(KeyValuePair<object, object?>[] pairs) => (PacketMap)Payload.Read(Payload.Write(PacketMap.Create(pairs)))!;

    private static KeyValuePair<object, object?>[] Pairs(int size) => [.. Enumerable.Range(0, size).Select(i => KeyValuePair.Create<object, object?>(
        (i % 5) switch
        {
            0 => $"key {i}",
            1 => 1_000L * i,
            2 => new byte[] { 0xff, (byte)i, (byte)(i >> 8) },
            3 => i + 0.5,
            _ => DateTime.UnixEpoch.AddSeconds(i),
        },
        (long)i))];

    private sealed class Counter
    {
        public int Value { get; set; }
    }

    private sealed class CountedKey(long number, Counter comparisons)
    {
        public long Number => number;

        public override int GetHashCode() => PacketMap.KeyComparer.GetHashCode(number);

        public override bool Equals(object? other)
        {
            comparisons.Value++;
            return other is CountedKey key && key.Number == number;
        }
    }
}
