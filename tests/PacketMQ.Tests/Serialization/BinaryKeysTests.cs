using CsCheck;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

public sealed class BinaryKeysTests
{
    [Fact]
    public void Names_of_python_2_are_read_and_the_received_bytes_stay()
    {
        byte[] bytes = Payload.Bytes("84c40158 01 c40159 02 c4055370656564 cb3fe0000000000000 c4025570 c3");
        byte[] before = [.. bytes];
        Assert.Equal(new Position(1, 2, 0.5, true), Payload.ReadTyped<Position>(bytes, hasBinaryKeys: true));
        Assert.Equal(new Position(1, 2, 0.5, true), TypedCodec<Position>.Create().Read(Payload.InSegments(bytes, 1), hasBinaryKeys: true));
        Assert.Equal(before, bytes);
    }

    [Fact]
    public void Values_of_python_2_are_strings_where_strings_belong()
    {
        Assert.Equal(["a", "grüße"], Payload.ReadTyped<List<string>>("92c40161c4076772c3bcc39f65"));
        Assert.Equal("y", Payload.ReadTyped<Dictionary<string, string>>("81c40178c40179", hasBinaryKeys: true)["x"]);
        byte[] text = Payload.Bytes("92c40161c4076772c3bcc39f65");
        Assert.Equal(["a", "grüße"], TypedCodec<List<string>>.Create().Read(Payload.InSegments(text, 1), hasBinaryKeys: false));
    }

    [Fact]
    public void Bytes_stay_bytes_when_keys_become_text()
        => Assert.Equal(new byte[] { 0x61 }, Payload.ReadTyped<Loose>("82c40556616c7565c40161 c4044d6f7265c0", hasBinaryKeys: true).Value);

    [Theory]
    [InlineData("81c40161c40162", "81d90161c40162")]
    [InlineData("81c5000161c40162", "81da000161c40162")]
    [InlineData("81c60000000161c40162", "81db0000000161c40162")]
    [InlineData("81c401ff01", "81c401ff01")]
    [InlineData("92c4016181c40161c40162", "92c4016181d90161c40162")]
    [InlineData("82c4016181c4016201c4016302", "82d9016181d9016201d9016302")]
    [InlineData("82c4016180c4016302", "82d9016180d9016302")]
    [InlineData("8180c40161", "8180c40161")]
    [InlineData("8192c40161c40162c40161", "8192c40161c40162c40161")]
    [InlineData("de0001c40161dd00000001c40162", "de0001d90161dd00000001c40162")]
    [InlineData("df00000001c40161dc0001c40162", "df00000001d90161dc0001c40162")]
    [InlineData("83cb3ff0000000000000c40161d605c4c4c4c4c40162c40163c70305c40161", "83cb3ff0000000000000c40161d605c4c4c4c4c40162d90163c70305c40161")]
    [InlineData("c40161", "c40161")]
    [InlineData("90", "90")]
    public void Only_the_headers_of_keys_change(string before, string after)
    {
        byte[] bytes = Payload.Bytes(before);
        BinaryKeys.ToText(bytes);
        Assert.Equal(after, Payload.Hex(bytes));
    }

    [Fact]
    public void Every_value_is_walked_to_its_end() => DynamicValues.Any.Sample(value =>
    {
        byte[] bytes = Payload.Write(value);
        byte[] rewritten = [.. bytes];
        BinaryKeys.ToText(rewritten);
        // A string key equals its bytes, so the two have the same keys and the second has none of them as readable BIN.
        object? read = Payload.Read(rewritten);
        return Payload.Write(read).Length <= bytes.Length && NoTextAsBytes(read);
    }, iter: 1_000);

    private static bool NoTextAsBytes(object? value) => value switch
    {
        PacketMap map => map.All(entry =>
            (entry.Key is not byte[] key || !System.Text.Unicode.Utf8.IsValid(key)) && NoTextAsBytes(entry.Value)),
        object?[] items => items.All(NoTextAsBytes),
        _ => true,
    };
}
