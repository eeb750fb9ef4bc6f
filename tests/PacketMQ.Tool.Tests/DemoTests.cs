using System.Text.Json;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class DemoTests
{
    [Fact]
    public async Task The_demo_tells_the_documented_conversation_in_seven_steps()
    {
        (int exitCode, string[] output, string error) = await ToolProcess.RunAsync("demo");

        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        Assert.Equal(["1.", "2.", "3.", "4.", "5.", "6.", "7."], output.Where(line => line.Length > 0 && char.IsDigit(line[0])).Select(line => line[..2]));
        const string value = """{"foo": "bar", 123: null, 0.001: true, "mylist": ["abc", "def"]}""";
        Assert.Contains(output, line => line.EndsWith($"Received EchoPacket: {value}", StringComparison.Ordinal));
        Assert.Contains(output, line => line.EndsWith($"[1] {value}", StringComparison.Ordinal));
        Assert.Contains(output, line => line.Contains("40 here, 17 on this connection", StringComparison.Ordinal));
        Assert.Contains(output, line => line.Contains("41 here, 18 on this connection", StringComparison.Ordinal));
        Assert.Contains(output, line => line.Contains("00 00 00 27", StringComparison.Ordinal) && line.EndsWith("39 bytes follow", StringComparison.Ordinal));
        Assert.Contains(output, line => line.Contains("packet id 18, and the same 37 payload bytes", StringComparison.Ordinal));
        Assert.Contains(output, line => line.Contains("client  connection lost: reason.demoover (local)", StringComparison.Ordinal));
        Assert.Contains(output, line => line.Contains("server  connection lost: reason.demoover (remote)", StringComparison.Ordinal));
        Assert.DoesNotContain(output, line => line.Contains('\x1b', StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_demo_tells_scripts_one_object_a_line()
    {
        (int exitCode, string[] output, string error) = await InProcess.RunAsync("demo", "--json");

        Assert.Equal("", error);
        Assert.Equal(0, exitCode);
        JsonElement[] events = [.. output.Select(line => JsonElement.Parse(line))];
        Assert.Equal(
            ["registered", "registered", "registered", "registered", "listening", "made", "made", "frame", "printed", "frame", "printed", "lost", "lost"],
            events.Select(one => one.GetProperty("event").GetString()));
        JsonElement sent = events.First(one => one.GetProperty("event").GetString() == "frame");
        Assert.Equal(
            "00000027001184a3666f6fa36261727bc0cb3f50624dd2f1a9fcc3a66d796c69737492a3616263a3646566", sent.GetProperty("bytes").GetString());
        Assert.Equal((40, 17), (sent.GetProperty("id").GetInt32(), sent.GetProperty("wireId").GetInt32()));
    }
}
