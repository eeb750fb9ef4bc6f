using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class SendTests
{
    [Fact]
    public async Task The_value_may_come_from_standard_input()
    {
        (Server server, string address) = TestServer.Start((data, context) => context.ReplyAsync(TestServer.Answer, data));
        await using Server _ = server;
        await using ToolProcess process = ToolProcess.Start("send", address, TestServer.Ask, "-", "--expect", "1");

        await process.WriteInputAsync("\ufeff{\"grüße\":\n[1, 2]}\n");

        (int exitCode, string[] output, string error) = await process.EndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["""test:answer {"grüße":[1,2]}"""], output);
    }

    [Fact]
    public async Task Everything_that_comes_back_is_printed_up_to_the_expected_number()
    {
        (Server server, string address) = TestServer.Start(async (_, context) =>
        {
            for (int i = 0; i < 5; i++)
                await context.ReplyAsync(TestServer.Answer, i);
        });
        await using Server _ = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", address, TestServer.Ask, "null", "--expect", "3");

        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["test:answer 0", "test:answer 1", "test:answer 2"], output);
    }

    [Fact]
    public async Task Without_expectations_the_value_is_still_delivered_before_the_goodbye()
    {
        var arrived = new TaskCompletionSource<object?>(TaskCreationOptions.RunContinuationsAsynchronously);
        (Server server, string address) = TestServer.Start((data, _) =>
        {
            arrived.SetResult(data);
            return default;
        });
        await using Server _ = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", address, TestServer.Ask, "-5");

        Assert.Equal((0, ""), (exitCode, error));
        Assert.Empty(output);
        Assert.Equal(-5L, await arrived.Task.Soon());
    }

    [Fact]
    public async Task What_a_hostile_server_sends_can_not_control_the_terminal()
    {
        (Server server, string address) = TestServer.Answering(new Dictionary<string, object?>
        {
            ["\x1b[2J\u009b31m"] = "\r\n\u202eevil\u2066\u2028\u007f",
            ["bin"] = "\x1b]0;title\a"u8.ToArray(),
        });
        await using Server _ = server;

        foreach (string[] json in new string[][] { [], ["--json"] })
        {
            (int exitCode, string[] output, string error) = await InProcess.RunAsync(
                ["send", address, TestServer.Ask, "1", "--expect", "1", .. json]);

            Assert.Equal((0, ""), (exitCode, error));
            Assert.All(output, line => Assert.All(line, c => Assert.InRange(c, ' ', '~')));
        }
    }

    [Fact]
    public async Task A_name_that_the_server_does_not_have_is_refused_with_the_names_it_has()
    {
        (Server server, string address) = TestServer.Answering(null);
        await using Server _ = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", address, "test:other", "1");

        Assert.Equal(3, exitCode);
        Assert.Empty(output);
        Assert.Equal("The server does not have the packet 'test:other'; it has test:ask, test:answer.", error.TrimEnd());
    }

    [Fact]
    public async Task A_server_that_closes_instead_of_answering_is_told_with_its_reason()
    {
        (Server server, string address) = TestServer.Start((_, context) => new ValueTask(context.Connection.SoftQuitAsync("reason.enough")));
        await using Server _ = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", address, TestServer.Ask, "1", "--expect", "1", "--json");

        Assert.Equal(3, exitCode);
        Assert.Equal("The connection ended, reason.enough (remote): The other side quit.", error.TrimEnd());
        // The server may have ended the connection before this side gets to say that it has sent.
        JsonElement lost = Assert.Single(output.Select(line => JsonElement.Parse(line)), line => line.GetProperty("event").GetString() == "lost");
        Assert.Equal("reason.enough", lost.GetProperty("reason").GetString());
    }

    [Fact]
    public async Task Nobody_there_is_a_refusal()
    {
        int port;
        using (var listener = new TcpListener(IPAddress.Loopback, 0))
        {
            listener.Start();
            port = ((IPEndPoint)listener.LocalEndpoint).Port;
        }

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", $"127.0.0.1:{port}", "a:b", "1", "--json");

        Assert.Equal(3, exitCode);
        InProcess.AssertIsOneSentence(error);
        Assert.Contains("reason.unreachable", error, StringComparison.Ordinal);
        JsonElement refused = JsonElement.Parse(Assert.Single(output));
        Assert.Equal(("refused", "reason.unreachable"), (refused.GetProperty("event").GetString(), refused.GetProperty("reason").GetString()));
    }

    [Fact]
    public async Task A_server_that_does_not_answer_runs_into_the_time_out()
    {
        (Server server, string address) = TestServer.Start((_, _) => default);
        await using Server _ = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", address, TestServer.Ask, "1", "--expect", "1", "--timeout", "0.2");

        Assert.Equal(4, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
    }

    [Fact]
    public async Task A_server_that_never_shakes_hands_runs_into_the_time_out()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();

        (int exitCode, _, string error) = await InProcess.RunAsync("send", silent.LocalEndpoint.ToString()!, "a:b", "1", "--timeout", "0.2");

        Assert.Equal(4, exitCode);
        InProcess.AssertIsOneSentence(error);
    }

    [Fact]
    public async Task A_value_that_is_no_json_or_too_large_is_wrong_usage()
    {
        (Server server, string address) = TestServer.Answering(null);
        await using Server _ = server;

        foreach ((string value, string input) in new[]
        {
            ("hello", ""), ("-", "{} {}"), ("-", ""), ("-", $"\"{new string('a', 100_000)}\""), ("-", new string(' ', 1_048_577)),
            ("""{"$map":[["a",0],[{"$bin":"YQ=="},0]]}""", ""), ("""{"$map":[[[],0]]}""", ""),
        })
        {
            (int exitCode, string[] output, string error) = await InProcess.RunWithInputAsync(input, "send", address, TestServer.Ask, value);

            Assert.Equal(2, exitCode);
            Assert.Empty(output);
            InProcess.AssertIsOneSentence(error);
        }
    }
}
