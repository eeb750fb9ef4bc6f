using System.Net.Sockets;
using PacketMQ.Tool.Output;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class CommandLineTests
{
    [Theory]
    [InlineData("")]
    [InlineData("benchmark")]
    [InlineData("demo extra")]
    [InlineData("demo --unknown")]
    [InlineData("send")]
    [InlineData("send localhost:1 a:b")]
    [InlineData("send localhost a:b 1")]
    [InlineData("send localhost:0 a:b 1")]
    [InlineData("send localhost:65536 a:b 1")]
    [InlineData("send ::1:80 a:b 1")]
    [InlineData("send [::1] a:b 1")]
    [InlineData("send [name]:80 a:b 1")]
    [InlineData("send :80 a:b 1")]
    [InlineData("send localhost:1 a:b 1 --expect -1")]
    [InlineData("send localhost:1 a:b 1 --expect x")]
    [InlineData("send localhost:1 a:b 1 --timeout 0")]
    [InlineData("send localhost:1 a:b 1 --timeout NaN")]
    [InlineData("send localhost:1 a:b 1 --timeout 1e9")]
    [InlineData("send localhost:1 a:b nonsense")]
    [InlineData("send localhost:1 a:b @file")]
    [InlineData("listen")]
    [InlineData("bench here")]
    [InlineData("bench --duration 0")]
    [InlineData("bench --duration 1e3")]
    [InlineData("bench --duration 3601")]
    [InlineData("bench --size 0")]
    [InlineData("bench --size 16,")]
    [InlineData("bench --size 16,99993")]
    [InlineData("bench --size 1,2,3,4,5,6,7,8 --size 1,2,3,4,5,6,7,8,9")]
    [InlineData("bench --connections 0")]
    [InlineData("bench --connections 1001")]
    [InlineData("bench --window 10001")]
    [InlineData("serve --max-connections 0")]
    [InlineData("serve --max-connections x")]
    [InlineData("serve --max-frame 63")]
    [InlineData("serve --max-frame -1")]
    [InlineData("serve --handshake-timeout 0")]
    [InlineData("serve --handshake-timeout NaN")]
    [InlineData("serve --handshake-timeout 1e9")]
    [InlineData("serve --port 65536")]
    [InlineData("serve --port")]
    [InlineData("serve --unix ./a.sock --port 0")]
    [InlineData("serve --unix ./a.sock --host ::1")]
    [InlineData("serve --unix ./aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
    [InlineData("serve --bench --packet a:b=65401:print")]
    [InlineData("serve --bench --packet bench:sink=16:print")]
    [InlineData("serve --packet a:b")]
    [InlineData("serve --packet a:b=1:print")]
    [InlineData("serve --packet a:b=99999999999:print")]
    [InlineData("serve --packet a:b=16:paint")]
    [InlineData("serve --packet a:b=16:echo")]
    [InlineData("serve --packet a:b=16:echo:c:d")]
    [InlineData("serve --packet ab=16:print")]
    [InlineData("serve --packet a:b=16:print --packet a:b=17:print")]
    [InlineData("serve --packet a:b=16:print --packet a:c=16:print")]
    [InlineData("serve --packet packetmq:b=16:print")]
    public async Task A_mistake_on_the_command_line_is_one_sentence_and_exit_code_2(string arguments)
    {
        (int exitCode, string[] output, string error) = await InProcess.RunAsync(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));

        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
    }

    [Fact]
    public async Task The_help_names_every_command_and_the_version_is_a_number()
    {
        (int exitCode, string[] output, string error) = await ToolProcess.RunAsync("--help");
        Assert.Equal((0, ""), (exitCode, error));
        foreach (string command in new[] { "demo", "serve", "send", "listen", "bench", "--json" })
            Assert.Contains(output, line => line.StartsWith("  " + command, StringComparison.Ordinal));
        Assert.DoesNotContain(output, line => line.Contains("bench-server", StringComparison.Ordinal)); // no user starts it

        (exitCode, output, error) = await ToolProcess.RunAsync("--version");
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Matches(@"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$", Assert.Single(output));
    }

    [Theory]
    [InlineData("localhost:12345", "localhost", 12_345)]
    [InlineData("127.0.0.1:1", "127.0.0.1", 1)]
    [InlineData("[::1]:65535", "::1", 65_535)]
    [InlineData("[fe80::1%1]:80", "fe80::1%1", 80)]
    public void An_address_is_read_and_written_alike(string text, string host, int port)
    {
        ServerAddress address = ServerAddress.Parse(text);

        Assert.Equal(new ServerAddress(host, port), address);
        Assert.Equal(text, address.ToString());
    }

    [Theory]
    [InlineData("./my.sock")]
    [InlineData("/run/my:80")]
    public void An_address_with_a_slash_is_the_path_of_a_Unix_domain_socket(string text)
    {
        ServerAddress address = ServerAddress.Parse(text);

        Assert.Equal(new UnixDomainSocketEndPoint(text), address.ToEndPoint());
        Assert.Equal(text, address.ToString());
    }

    [Fact]
    public void Unequal_packets_are_named()
    {
        var closeInfo = new CloseInfo(CloseReason.NonEqualPackets, CloseInitiator.Remote, "The packets differ.")
        {
            MissingHere = ["a:there"],
            MissingThere = ["a:here"],
        };

        Assert.Equal(
            "The connection ended, reason.nonequalpackets (remote): The packets differ. Only the other side has a:there. Only this side has a:here.",
            Sentence.ForEnd(closeInfo));
    }
}
