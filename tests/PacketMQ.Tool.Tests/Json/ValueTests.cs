using System.Text.Json;
using CsCheck;
using PacketMQ.Tool.Json;

namespace PacketMQ.Tool.Tests.Json;

public sealed class ValueTests
{
    private static readonly Gen<object?> Scalar = Gen.OneOf<object?>(
        Gen.Const((object?)null),
        Gen.Bool.Select(flag => (object?)flag),
        Gen.Long.Select(number => (object?)number),
        Gen.ULong[long.MaxValue + 1UL, ulong.MaxValue].Select(number => (object?)number),
        Gen.Double.Special.Select(number => (object?)number),
        Text.Select(text => (object?)text),
        NoText.Select(bytes => (object?)bytes),
        Gen.DateTime.Utc.Select(time => (object?)time),
        Gen.Select(Gen.SByte, Gen.Byte.Array[0, 9]).Select((code, data) => (object?)new PacketExtension(code, data)));

    // Without halves of surrogate pairs, which no msgpack string can have.
    private static Gen<string> Text => Gen.OneOf<string>(
        Gen.String.Where(text => !text.Any(char.IsSurrogate)), Gen.OneOf<string>("", "$", "$map", "$bin", "data", "\0\x1b\u202e", "😀", "grüße"));

    private static Gen<byte[]> NoText => Gen.Byte.Array[0, 20].Select(bytes => (byte[])[.. bytes, 0xff]);

    private static Gen<object?> Value(int depth) => depth == 0
        ? Scalar
        : Gen.OneOf<object?>(
            Scalar,
            Value(depth - 1).Array[0, 4].Select(items => (object?)items),
            Gen.Select(Key, Value(depth - 1)).Array[0, 4].Select(pairs => (object?)PacketMap.Create(
                pairs.DistinctBy(pair => pair.Item1, PacketMap.KeyComparer).Select(pair => KeyValuePair.Create(pair.Item1, pair.Item2)))));

    private static Gen<object> Key => Gen.OneOf<object>(
        Text.Select(text => (object)text), Gen.Long.Select(number => (object)number), Gen.Bool.Select(flag => (object)flag),
        Gen.Double.Select(number => (object)number), NoText.Select(bytes => (object)bytes));

    [Fact]
    public void Every_value_reads_back_from_its_json_as_it_was()
        => Value(3).Sample(value => AreEqual(value, ValueReader.Read(ValueWriter.Write(value))), iter: 3_000);

    [Fact]
    public void The_json_of_every_value_is_one_line_of_valid_json_without_anything_that_controls_a_terminal()
        => Value(3).Sample(
            value =>
            {
                string json = ValueWriter.Write(value);
                using var document = JsonDocument.Parse(json);
                return !json.Any(c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202e' or '\ufeff');
            },
            iter: 3_000);

    [Fact]
    public void No_text_does_worse_than_to_be_refused()
    {
        Gen<string> pieces = Gen.OneOf<string>(
            "{", "}", "[", "]", ",", ":", "\"$bin\"", "\"$ext\"", "\"data\"", "\"$time\"", "\"$float\"", "\"$map\"", "\"\\ud800\"", "\"a\"", "1", "-0", "1e999",
            "\"AA==\"", "null", "true");
        pieces.Array[0, 12].Select(string.Concat).Sample(
            text =>
            {
                try
                {
                    ValueWriter.Write(ValueReader.Read(text));
                }
                catch (FormatException)
                {
                    // As it should be.
                }
                catch (ArgumentException exception) when (exception.Message.Contains("\ud800", StringComparison.Ordinal))
                {
                    return false;
                }

                return true;
            },
            iter: 20_000);
    }

    [Theory]
    [InlineData("1", 1L)]
    [InlineData("-9223372036854775808", long.MinValue)]
    [InlineData("18446744073709551615", ulong.MaxValue)]
    [InlineData("18446744073709551616", 18446744073709551616d)]
    [InlineData("1.0", 1d)]
    [InlineData("1e2", 100d)]
    [InlineData("-0.0", -0d)]
    [InlineData("""{"$float":"-Infinity"}""", double.NegativeInfinity)]
    [InlineData(""" "\u00e4" """, "ä")]
    [InlineData("true", true)]
    [InlineData("null", null)]
    public void Json_becomes_the_value_that_was_meant(string json, object? value) => Assert.Equal(value, ValueReader.Read(json));

    [Theory]
    [InlineData("")]
    [InlineData("hello")]
    [InlineData("[1,]")]
    [InlineData("1 2")]
    [InlineData("1e999")]
    [InlineData("\"\\ud800\"")]
    [InlineData("{\"\\ud800\":1}")]
    [InlineData("\ud800")]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData("""{"$map":[[1,0],[1,0]]}""")]
    [InlineData("""{"$map":[[null,0]]}""")]
    [InlineData("""{"$map":[[1]]}""")]
    [InlineData("""{"$map":{}}""")]
    [InlineData("""{"$bin":"no base-64"}""")]
    [InlineData("""{"$bin":1}""")]
    [InlineData("""{"$bin":"","a":1}""")]
    [InlineData("""{"$ext":128,"data":""}""")]
    [InlineData("""{"$ext":1}""")]
    [InlineData("""{"$ext":1,"date":""}""")]
    [InlineData("""{"$time":"2026-01-31T12:00:00"}""")]
    [InlineData("""{"$time":"yesterday"}""")]
    [InlineData("""{"$float":"1"}""")]
    [InlineData("""{"$other":1}""")]
    public void What_can_not_be_meant_is_refused_with_a_sentence(string json)
        => Assert.EndsWith(".", Assert.Throws<FormatException>(() => ValueReader.Read(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void Depth_is_bounded_with_an_error_that_names_the_limit()
    {
        Assert.NotNull(ValueReader.Read(new string('[', 64) + new string(']', 64)));
        Assert.Contains(
            "deeper than 64", Assert.Throws<FormatException>(() => ValueReader.Read(new string('[', 100_000) + new string(']', 100_000))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_that_are_text_are_shown_as_text_and_others_as_base64()
    {
        Assert.Equal("\"grüße\\n\"", ValueWriter.Write("grüße\n"u8.ToArray()));
        Assert.Equal("\"\"", ValueWriter.Write(Array.Empty<byte>()));
        Assert.Equal("""{"$bin":"Gw=="}""", ValueWriter.Write(new byte[] { 0x1b }));
        Assert.Equal("""{"$bin":"/w=="}""", ValueWriter.Write(new byte[] { 0xff }));
        Assert.Equal("""{"foo":"bar"}""", ValueWriter.Write(PacketMap.Create([new("foo"u8.ToArray(), "bar"u8.ToArray())])));
    }

    [Fact]
    public void Maps_with_other_keys_become_lists_of_pairs()
    {
        Assert.Equal("""{"$map":[["foo","bar"],[123,null]]}""", ValueWriter.Write(PacketMap.Create([new("foo", "bar"), new(123L, null)])));
        Assert.Equal("""{"$map":[["$bin","x"]]}""", ValueWriter.Write(PacketMap.Create([new("$bin", "x")])));
        Assert.Equal("""{"$time":"2026-01-31T12:00:00.5Z"}""", ValueWriter.Write(new DateTime(2026, 1, 31, 12, 0, 0, 500, DateTimeKind.Utc)));
        Assert.Equal("""{"$ext":-1,"data":"AQ=="}""", ValueWriter.Write(new PacketExtension(-1, new byte[] { 1 })));
        Assert.Equal("0.5", ValueWriter.Write(0.5f));
    }

    private static bool AreEqual(object? one, object? other) => (one, other) switch
    {
        (null, null) => true,
        (double a, double b) => BitConverter.DoubleToInt64Bits(a) == BitConverter.DoubleToInt64Bits(b) || (double.IsNaN(a) && double.IsNaN(b)),
        (byte[] a, byte[] b) => a.AsSpan().SequenceEqual(b),
        (DateTime a, DateTime b) => a == b && b.Kind == DateTimeKind.Utc,
        (object?[] a, object?[] b) => a.Length == b.Length && a.Zip(b).All(pair => AreEqual(pair.First, pair.Second)),
        (PacketMap a, PacketMap b) => a.Count == b.Count
            && a.Zip(b).All(pair => AreEqual(pair.First.Key, pair.Second.Key) && AreEqual(pair.First.Value, pair.Second.Value)),
        _ => one is not null && one.Equals(other),
    };
}
