using System.Collections;

namespace PacketMQ.Tests.Serialization;

public sealed class DynamicRefusalTests
{
    [Fact]
    public void The_message_names_type_place_and_what_is_allowed()
    {
        var value = new Dictionary<string, object?> { ["mylist"] = new object?[] { 1, 2, 1.5m } };
        PacketException e = Assert.Throws<PacketException>(() => Payload.Write(value));
        Assert.Equal(
            "A value of the type System.Decimal can't be sent at mylist[2]; allowed are null, bool, integers up to 64 bits, float, double, "
            + "string, byte[] and byte memory, DateTime and DateTimeOffset, PacketExtension, dictionaries and enumerables.",
            e.Message);
    }

    public static TheoryData<object, string> Refused => new()
    {
        { 'c', "System.Char" },
        { DayOfWeek.Friday, "An enum of the type System.DayOfWeek" },
        { Int128.One, "System.Int128" },
        { Guid.Empty, "System.Guid" },
        { new object(), "System.Object" },
        { new[] { 'c' }, "System.Char" },
        { new[] { KeyValuePair.Create(1, 2) }, "KeyValuePair" },
        { new int[2, 2], "2 dimensions" },
        { "\ud800x", "half of a surrogate pair" },
        { new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Unspecified), "kind Utc or Local" },
        { new PacketExtension(-1, new byte[5]), "4, 8 or 12" },
        { new PacketExtension(-1, Payload.Bytes("ffffffffffffffff")), "4, 8 or 12" },
        { new Dictionary<object, object?> { [new object[0]] = 1 }, "A map's key is a System.Object[]" },
        { new[] { KeyValuePair.Create<string, object?>(null!, 1) }, "key is null" },
        { new Dictionary<object, object?> { [1] = 0, [1L] = 0 }, "the key 1 twice" },
        { new Dictionary<object, object?> { ["a"] = 0, ["a"u8.ToArray()] = 0 }, "twice" },
        { new Dictionary<byte[], object?> { [[1]] = 0, [[1]] = 0 }, "twice" },
        { new[] { KeyValuePair.Create<string, object?>("a\u001b", 1), KeyValuePair.Create<string, object?>("a\u001b", 1) }, "\"a\\u001b\" twice" },
    };

    [Theory]
    [MemberData(nameof(Refused), DisableDiscoveryEnumeration = true)]
    public void What_can_not_be_sent_is_refused(object value, string named)
    {
        PacketException e = Assert.Throws<PacketException>(() => Payload.Write(value));
        Assert.Contains(named, e.Message);
        Assert.EndsWith(".", e.Message);
    }

    [Fact]
    public void A_value_that_contains_itself_ends_at_the_limit()
    {
        var map = new Dictionary<string, object?>();
        map["me"] = new List<object?> { map };
        PacketException e = Assert.Throws<PacketException>(() => Payload.Write(map));
        Assert.Contains("nests deeper than the limit of 64 arrays and maps at me[0].me[0]", e.Message);
    }

    [Fact]
    public void What_an_enumerator_throws_is_wrapped_with_its_place()
    {
        var thrown = new InvalidOperationException("no \u001b more");
        IEnumerable Failing()
        {
            yield return 1;
            throw thrown;
        }

        PacketException e = Assert.Throws<PacketException>(() => Payload.Write(new Dictionary<string, object?> { ["items"] = Failing() }));
        Assert.Same(thrown, e.InnerException);
        Assert.Equal("Reading the value at items failed with System.InvalidOperationException: no \\x1b more", e.Message);
    }

    [Fact]
    public void A_count_that_is_wrong_is_refused()
    {
        Assert.Contains("did not have the 3 elements", Assert.Throws<PacketException>(() => Payload.Write(new Miscounted(3, 2))).Message);
        Assert.Contains("did not have the 1 elements", Assert.Throws<PacketException>(() => Payload.Write(new Miscounted(1, 2))).Message);
    }

    [Fact]
    public void An_error_leaves_the_thread_ready_for_the_next_value()
    {
        Assert.Throws<PacketException>(() => Payload.Write(new object?[] { new object?[] { 1m } }));
        PacketException e = Assert.Throws<PacketException>(() => Payload.Write(1m));
        Assert.StartsWith("A value of the type System.Decimal can't be sent; allowed", e.Message);
    }

    private sealed class Miscounted(int declared, int actual) : ICollection
    {
        public int Count => declared;

        public bool IsSynchronized => false;

        public object SyncRoot => this;

        public void CopyTo(Array array, int index) => throw new NotSupportedException();

        public IEnumerator GetEnumerator() => Enumerable.Range(0, actual).GetEnumerator();
    }
}
