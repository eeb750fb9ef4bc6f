using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Tests;

public sealed class PrintableTextTests
{
    [Theory]
    [InlineData("reason.x ~", "reason.x ~")]
    [InlineData("a\r\n\u001b[31m", "a\\x0d\\x0a\\x1b[31m")]
    [InlineData("\u007f\u00e4\u202e", "\\x7f\\xe4\\u202e")]
    public void What_is_not_printable_ascii_is_escaped(string text, string expected) => Assert.Equal(expected, PrintableText.Escape(text));

    [Fact]
    public void Text_is_cut_after_256_characters()
    {
        Assert.Equal(new string('x', 256), PrintableText.Escape(new string('x', 256)));
        Assert.Equal(new string('x', 256) + "...", PrintableText.Escape(new string('x', 257)));
    }

    [Fact]
    public void An_end_without_a_name_is_called_so()
    {
        Assert.Equal("an unnamed end", PrintableText.Of(null));
        EndPoint unbound = new UnixDomainSocketEndPoint("/tmp/any").Create(new SocketAddress(AddressFamily.Unix, 2)); // as the system tells of it
        Assert.Equal("an unnamed end", PrintableText.Of(unbound));
        Assert.Equal("127.0.0.1:5", PrintableText.Of(new IPEndPoint(IPAddress.Loopback, 5)));
        Assert.Equal("/tmp/\\x1b[31m", PrintableText.Of(new UnixDomainSocketEndPoint("/tmp/\u001b[31m")));
    }
}
