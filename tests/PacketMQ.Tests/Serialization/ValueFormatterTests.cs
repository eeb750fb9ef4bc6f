using System.Collections;
using CsCheck;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class ValueFormatterTests
{
    public static TheoryData<object?, string> Formats => new()
    {
        {
            new Dictionary<object, object?> { ["foo"] = "bar", [123] = null, [0.001] = true, ["mylist"] = new[] { "abc", "def" } },
            """{"foo": "bar", 123: null, 0.001: true, "mylist": ["abc", "def"]}"""
        },
        { "bar"u8.ToArray(), "b\"bar\"" },
        { "grüße"u8.ToArray(), "b\"grüße\"" },
        { new byte[] { 10, 11 }, "h'0a0b'" },
        { new byte[65], $"h'{new string('0', 128)}...'" },
        { new PacketExtension(5, new byte[] { 1, 0x61 }), "ext(5, h'0161')" },
        { new DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), "2026-01-02T03:04:05.0000000Z" },
        { 1.0, "1.0" },
        { 1e300, "1E+300" },
        { double.NaN, "NaN" },
        { 1.5f, "1.5" },
        { ulong.MaxValue, "18446744073709551615" },
        { "a\u001b[31m\n\t\"\\", "\"a\\u001b[31m\\n\\t\\\"\\\\\"" },
        { "a\u202eb", "\"a\\u202eb\"" },
        { "a\u0085\u009b\u2028\u200b\ufeff", "\"a\\u0085\\u009b\\u2028\\u200b\\ufeff\"" },
        { "\ud800x", "\"\\ud800x\"" },
        { "\U000e0001\U0001f600", "\"\\udb40\\udc01\U0001f600\"" },
        { "\u001b"u8.ToArray(), "h'1b'" },
        { "\u202e"u8.ToArray(), "h'e280ae'" },
        { DayOfWeek.Friday, "Friday" },
        { new Point(1, "x\u001b"), "Point { X = 1, Name = x\\u001b }" },
        { Array.Empty<object?>(), "[]" },
        { new Dictionary<string, object?>(), "{}" },
    };

    [Theory]
    [MemberData(nameof(Formats), DisableDiscoveryEnumeration = true)]
    public void A_value_is_one_line(object? value, string expected) => Assert.Equal(expected, ValueFormatter.Format(value));

    [Fact]
    public void The_length_is_bounded()
    {
        Assert.Equal(4_096 + 3, ValueFormatter.Format(new string('x', 10_000)).Length);
        Assert.Equal("[1, 1, 1...", ValueFormatter.Format(Endless(), 8));
        Assert.Equal("\"a...", ValueFormatter.Format("a\U0001f600\U0001f600", 3));
    }

    [Fact]
    public void A_value_that_contains_itself_ends()
    {
        var list = new List<object?>();
        list.Add(list);
        list.Add(list);
        Assert.InRange(ValueFormatter.Format(list).Length, 64, 4_099);
    }

    [Fact]
    public void What_can_not_be_shown_shows_why() => Assert.Equal("(System.NotSupportedException)", ValueFormatter.Format(new Unshowable()));

    [Fact]
    public void Nothing_that_a_terminal_obeys_comes_out() => DynamicValues.Any.Sample(
        value => ValueFormatter.Format(value).EnumerateRunes().All(BoundedText.IsPrintable), iter: 1_000);

    private static IEnumerable Endless()
    {
        while (true)
            yield return 1;
    }

    private sealed record Point(int X, string Name);

    private sealed class Unshowable
    {
        public override string ToString() => throw new NotSupportedException();
    }
}
