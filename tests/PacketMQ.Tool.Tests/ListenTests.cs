using System.Runtime.InteropServices;
using System.Text.Json;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class ListenTests
{
    [Theory]
    [InlineData(PosixSignal.SIGTERM)]
    [InlineData(PosixSignal.SIGINT)]
    public async Task Every_packet_is_printed_until_a_signal_says_goodbye(PosixSignal signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill(2).");
        var lost = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        (Server server, string address) = TestServer.Answering(null);
        await using Server _ = server;
        var begun = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        server.ConnectionMade += (_, arguments) => begun.TrySetResult(arguments.Connection);
        server.ConnectionLost += (_, arguments) => lost.TrySetResult(arguments.CloseInfo);
        await using ToolProcess listener = ToolProcess.Start("listen", address, "--json");
        JsonElement made = JsonElement.Parse(await listener.NextLineAsync());
        Assert.Equal("""["test:ask","test:answer"]""", made.GetProperty("names").GetRawText());

        Connection connection = await begun.Task.Soon(); // the listener may be through the handshake before its server
        await connection.SendAsync(TestServer.Answer, "first", TestContext.Current.CancellationToken);
        await connection.SendAsync(TestServer.Ask, new byte[] { 0xff }, TestContext.Current.CancellationToken);
        Assert.Equal("first", JsonElement.Parse(await listener.NextLineAsync()).GetProperty("value").GetString());
        Assert.Equal("""{"$bin":"/w=="}""", JsonElement.Parse(await listener.NextLineAsync()).GetProperty("value").GetRawText());
        listener.Signal(signal);

        (int exitCode, string[] output, string error) = await listener.EndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal("lost", JsonElement.Parse(Assert.Single(output)).GetProperty("event").GetString());
        Assert.Equal(CloseReason.Shutdown, (await lost.Task.Soon()).Reason);
    }

    [Fact]
    public async Task Nobody_there_is_a_refusal()
    {
        (int exitCode, string[] output, string error) = await ToolProcess.RunAsync("listen", "127.0.0.1:1");

        Assert.Equal(3, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
    }
}
