namespace PacketMQ.Tests.Serialization;

public sealed class PacketExtensionTests
{
    [Fact]
    public void Equality_looks_at_the_bytes()
    {
        var value = new PacketExtension(5, new byte[] { 1, 2, 3 });
        Assert.Equal(value, new PacketExtension(5, new byte[] { 0, 1, 2, 3 }.AsMemory(1)));
        Assert.Equal(value.GetHashCode(), new PacketExtension(5, new byte[] { 0, 1, 2, 3 }.AsMemory(1)).GetHashCode());
        Assert.NotEqual(value, new PacketExtension(6, new byte[] { 1, 2, 3 }));
        Assert.NotEqual(value, new PacketExtension(5, new byte[] { 1, 2, 4 }));
        Assert.NotEqual(value.GetHashCode(), new PacketExtension(5, new byte[] { 1, 2, 4 }).GetHashCode());
    }

    [Fact]
    public void Its_text_is_short_and_printable() => Assert.Equal("ext(-3, h'1b')", new PacketExtension(-3, "\u001b"u8.ToArray()).ToString());
}
