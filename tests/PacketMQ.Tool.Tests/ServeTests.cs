using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class ServeTests
{
    [Theory]
    [InlineData(PosixSignal.SIGTERM)]
    [InlineData(PosixSignal.SIGINT)]
    public async Task A_signal_to_the_server_says_goodbye_to_every_client(PosixSignal signal)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill(2).");
        (ToolProcess server, string address) = await ToolProcess.ServeAsync();
        await using ToolProcess running = server;
        await using ToolProcess listener = ToolProcess.Start("listen", address);
        Assert.Equal(
            $"connected to {address}, which has myapplication:mypacket, myapplication:myprintpacket", await listener.NextLineAsync());

        server.Signal(signal);

        (int exitCode, string[] output, string error) = await server.EndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Contains("connection 1 lost: reason.shutdown (local): This side stopped.", output);
        (exitCode, _, error) = await listener.EndAsync();
        Assert.Equal(3, exitCode);
        Assert.Equal("The connection ended, reason.shutdown (remote): The other side quit.", error.TrimEnd());
    }

    [Fact]
    public async Task The_documented_pair_is_served_and_every_happening_is_a_line()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync();
        await using ToolProcess running = server;

        (int exitCode, string[] output, string error) = await ToolProcess.RunAsync(
            "send", address, "myapplication:mypacket", """{"foo":"bar"}""", "--expect", "1");

        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["""myapplication:myprintpacket {"foo":"bar"}"""], output);
        Assert.StartsWith("connection 1 made with 127.0.0.1:", await server.NextLineAsync("connection"), StringComparison.Ordinal);
        Assert.Equal("""connection 1 myapplication:mypacket {"foo":"bar"} -> myapplication:myprintpacket""", await server.NextLineAsync());
        Assert.Equal("connection 1 lost: reason.unknown (remote): The other side quit.", await server.NextLineAsync());
    }

    [Fact]
    public async Task Plain_text_beyond_this_machine_is_said_and_works()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--host", "0.0.0.0");
        await using ToolProcess running = server;
        (int exitCode, _, string error) = await InProcess.RunAsync(
            "send", address.Replace("0.0.0.0", "127.0.0.1", StringComparison.Ordinal), "myapplication:myprintpacket", "1");
        Assert.Equal((0, ""), (exitCode, error)); // what stays on this machine need not be said

        server.Signal(PosixSignal.SIGTERM);
        (_, _, error) = await server.EndAsync();
        InProcess.AssertIsOneSentence(error);
        Assert.StartsWith("This is plain text: ", error, StringComparison.Ordinal);
        Assert.Contains("--tls-cert", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Packets_of_all_kinds_are_served_from_the_command_line()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync(
            "--packet", "a:print=16:print", "--packet", "a:sink=65535:sink", "--packet", "a:=x=17:echo:a:print");
        await using ToolProcess running = server;

        Assert.Equal(0, (await InProcess.RunAsync("send", address, "a:sink", "1")).ExitCode);
        Assert.Equal(0, (await InProcess.RunAsync("send", address, "a:print", "2")).ExitCode);
        (int exitCode, string[] output, string error) = await InProcess.RunAsync("send", address, "a:=x", "3", "--expect", "1");

        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["a:print 3"], output);
        Assert.Equal("connection 2 a:print 2", await server.NextLineAsync("connection 2 a:"));
        Assert.Equal("connection 3 a:=x 3 -> a:print", await server.NextLineAsync("connection 3 a:"));
    }

    [Fact]
    public async Task A_server_that_adapts_refuses_a_client_that_adapts_and_both_say_why()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--adapt");
        await using ToolProcess running = server;

        (int exitCode, string[] output, string error) = await ToolProcess.RunAsync("send", address, "a:b", "1");

        Assert.Equal(3, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
        Assert.Contains("reason.sameadaptivepolicy", error, StringComparison.Ordinal);
        Assert.Contains("refused: reason.sameadaptivepolicy", await server.NextLineAsync("connection 1 "), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Strangers_that_are_refused_again_and_again_are_a_line_and_a_count_each_second()
    {
        const int number = 300;
        (ToolProcess server, string address) = await ToolProcess.ServeAsync();
        await using ToolProcess running = server;
        var endPoint = IPEndPoint.Parse(address);
        byte[] buffer = new byte[1_024];
        for (int i = 0; i < number; i++)
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endPoint);
            await socket.SendAsync(Convert.FromHexString("000000030003c0")); // the last word first
            socket.Shutdown(SocketShutdown.Send);
            while (await socket.ReceiveAsync(buffer) > 0)
            {
            }
        }

        server.Signal(PosixSignal.SIGTERM);
        (_, string[] output, string error) = await server.EndAsync();
        int told = output.Count(line => line.Contains(" refused: reason.unexpectedpacket", StringComparison.Ordinal));
        Assert.InRange(told, 1, number / 10);
        MatchCollection counts = Regex.Matches(error, @"^(\d+) more connections were refused like the last one \(reason\.unexpectedpacket\)\.", RegexOptions.Multiline);
        Assert.Equal(number, told + counts.Sum(count => int.Parse(count.Groups[1].Value, CultureInfo.InvariantCulture)));
    }

    [Fact]
    public async Task A_script_reads_what_the_server_does()
    {
        await using ToolProcess server = ToolProcess.Start("serve", "--port", "0", "--json", "--packet", "a:b=20:print");
        JsonElement listening = await NextEventAsync(server, "listening");
        string address = $"{listening.GetProperty("host").GetString()}:{listening.GetProperty("port").GetInt32()}";

        await InProcess.RunAsync("send", address, "a:b", "[1.0]");

        Assert.Equal(1, (await NextEventAsync(server, "made")).GetProperty("connection").GetInt64());
        JsonElement packet = await NextEventAsync(server, "packet");
        Assert.Equal("a:b", packet.GetProperty("name").GetString());
        Assert.Equal("[1.0]", packet.GetProperty("value").GetRawText());
        JsonElement lost = await NextEventAsync(server, "lost");
        Assert.Equal("reason.unknown", lost.GetProperty("reason").GetString());
        Assert.Equal("remote", lost.GetProperty("initiator").GetString());
        Assert.NotEmpty(lost.GetProperty("description").GetString()!);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_a_failure()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();

        (int exitCode, string[] output, string error) = await InProcess.RunAsync(
            "serve", "--port", $"{((IPEndPoint)taken.LocalEndpoint).Port}");

        Assert.Equal(1, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
    }

    private static async Task<JsonElement> NextEventAsync(ToolProcess process, string happening)
        => JsonElement.Parse(await process.NextLineAsync($$"""{"event":"{{happening}}","""));
}
