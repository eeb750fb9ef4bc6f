namespace PacketMQ.Tests;

public sealed class CloseReasonTests
{
    [Fact]
    public void A_default_reason_is_unknown() => Assert.Equal(CloseReason.Unknown, default);

    [Theory]
    [InlineData("")]
    [InlineData("a\nb")]
    [InlineData("grüße")]
    public void A_name_that_is_not_printable_ascii_is_refused(string name)
        => Assert.Throws<ArgumentException>(() => new CloseReason(name));
}
