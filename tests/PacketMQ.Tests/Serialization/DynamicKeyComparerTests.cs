using CsCheck;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class DynamicKeyComparerTests
{
    private static readonly DynamicKeyComparer Comparer = DynamicKeyComparer.Instance;

    public static TheoryData<object, object> Same => new()
    {
        { 123, 123L },
        { (byte)123, 123ul },
        { (sbyte)-1, -1L },
        { "grüße", "grüße"u8.ToArray() },
        { "", Array.Empty<byte>() },
        { new byte[] { 0xff, 1 }, new byte[] { 0xff, 1 } },
        { 1.5f, 1.5 },
        { 0.0, -0.0 },
        { double.NaN, float.NaN },
        { true, true },
        { DateTime.UnixEpoch, DateTimeOffset.UnixEpoch },
        { new PacketExtension(1, new byte[] { 1 }), new PacketExtension(1, new byte[] { 1 }) },
        { new string('ä', 400), System.Text.Encoding.UTF8.GetBytes(new string('ä', 400)) },
    };

    public static TheoryData<object, object> Different => new()
    {
        { 1, 1.0 },
        { 1, true },
        { 1.0, true },
        { "1", 1 },
        { -1L, ulong.MaxValue },
        { "a", "b"u8.ToArray() },
        { "\ufffd", new byte[] { 0xff } },
        { "\ud800", "\ufffd"u8.ToArray() },
        { new byte[] { 1 }, new byte[] { 2 } },
        { new PacketExtension(1, new byte[] { 1 }), new PacketExtension(2, new byte[] { 1 }) },
        { "A", "a" },
    };

    [Theory]
    [MemberData(nameof(Same), DisableDiscoveryEnumeration = true)]
    public void Same_keys_are_equal_and_hash_alike(object x, object y)
    {
        Assert.True(Comparer.Equals(x, y));
        Assert.True(Comparer.Equals(y, x));
        Assert.Equal(Comparer.GetHashCode(x), Comparer.GetHashCode(y));
    }

    [Theory]
    [MemberData(nameof(Different), DisableDiscoveryEnumeration = true)]
    public void Different_keys_are_not_equal(object x, object y)
    {
        Assert.False(Comparer.Equals(x, y));
        Assert.False(Comparer.Equals(y, x));
    }

    [Fact]
    public void A_string_and_its_utf8_are_one_key()
        => Gen.String[Gen.Char['\0', '\ud7ff'], 0, 700].Sample(text =>
        {
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(text);
            return Comparer.Equals(text, bytes) && Comparer.GetHashCode(text) == Comparer.GetHashCode(bytes);
        });

    [Fact]
    public void A_decoded_map_is_looked_up_with_plain_keys()
    {
        var map = Assert.IsAssignableFrom<PacketMap>(Payload.Read("83c403666f6f01 cb3f50624dd2f1a9fc02 7b03"));
        Assert.Equal(1L, map["foo"]);
        Assert.Equal(2L, map[0.001]);
        Assert.Equal(3L, map[123]);
        Assert.Equal(["foo"u8.ToArray(), 0.001, 123L], map.Keys);
    }
}
