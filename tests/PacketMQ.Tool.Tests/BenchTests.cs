using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class BenchTests
{
    [Fact]
    public async Task A_script_gets_one_object_with_every_figure()
    {
        string[] output = await MeasureAsync(
            seconds => ToolProcess.RunAsync(
                "bench", "--json", "--duration", seconds, "--size", "16,99992", "--size", "1000", "--connections", "2", "--window", "8"),
            output => Count(output, "oneWay") == 3 && Count(output, "roundTrips") == 2);
        JsonElement bench = JsonElement.Parse(Assert.Single(output));
        Assert.Equal("bench", bench.GetProperty("event").GetString());
        Assert.True(bench.GetProperty("complete").GetBoolean());
        Assert.Equal(2, bench.GetProperty("connections").GetInt32());
        JsonElement[] oneWay = [.. bench.GetProperty("oneWay").EnumerateArray()];
        Assert.Equal([16, 99_992, 1_000], oneWay.Select(one => one.GetProperty("size").GetInt32()));
        Assert.All(oneWay, AssertIsConsistent);
        JsonElement[] roundTrips = [.. bench.GetProperty("roundTrips").EnumerateArray()];
        Assert.Equal([(16, 1), (16, 8)], roundTrips.Select(one => (one.GetProperty("size").GetInt32(), one.GetProperty("window").GetInt32())));
        Assert.All(roundTrips, AssertLatencyIsConsistent);
        AssertIsGone(bench.GetProperty("serverProcess").GetInt32());
    }

    [Fact]
    public async Task A_server_that_takes_part_is_measured_for_people()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--bench", "--packet", "a:b=16:print");
        await using ToolProcess running = server;

        string[] output = await MeasureAsync(
            seconds => InProcess.RunAsync("bench", address, "--duration", seconds, "--size", "100,2000"),
            output => output.Count(line => Regex.IsMatch(line, " bytes +[1-9]| one at a time +[1-9]| under way +[1-9]")) == 4);
        Assert.Contains(output, line => line.StartsWith($"Server: {address}; 1 connection", StringComparison.Ordinal));
        Assert.Contains(output, line => Regex.IsMatch(line, @"^     100 bytes +[1-9][0-9 ]* +[0-9 ]+\.\d$"));
        Assert.Contains(output, line => Regex.IsMatch(line, @"^   2 000 bytes +[1-9][0-9 ]* +[0-9 ]+\.\d$"));
        Assert.Contains(output, line => Regex.IsMatch(line, @"^  one at a time +[1-9][0-9 ]*( +[0-9 ]+\.\d){5}$"));
        Assert.Contains(output, line => Regex.IsMatch(line, @"^  64 under way +[1-9][0-9 ]*( +[0-9 ]+\.\d){5}$"));
        Assert.Contains(output, line => line.Contains("µs  █", StringComparison.Ordinal));
        Assert.All(output, line => Assert.InRange(line.Length, 1, 80));
        Assert.DoesNotContain(output, line => line.Any(char.IsControl));
        Assert.StartsWith("connection 1 lost: reason.shutdown (remote)", await server.NextLineAsync("connection 1 lost"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_terminal_a_bar_shows_how_far_it_is_and_goes_away()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--bench");
        await using ToolProcess running = server;

        string screen = await InProcess.RunOnTerminalAsync(60, "bench", address, "--duration", "0.5", "--size", "100");
        string[] states = Regex.Replace(screen, "\\e\\[[0-9;]*m", "").Split('\r'); // without its colours
        Assert.NotEqual(screen, string.Concat(states));
        Assert.Contains(states, state => state.Contains("warming up", StringComparison.Ordinal));
        int[] bars = [.. states.Where(state => state.Contains('─') || state.Contains('━')).Select(state => state.Count(one => one == '━'))];
        Assert.True(bars.Distinct().Count() > 2, $"{bars.Length} bars show no progress.");
        Assert.All(states.SkipLast(1).Where(state => !state.Contains('\n')), state => Assert.InRange(state.Length, 0, 60 - 1)); // nothing wraps
        Assert.DoesNotContain(states[^1], one => one is '─' or '━');
        Assert.DoesNotContain("warming up", states[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_Unix_domain_socket_is_an_address_too()
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()).Replace('\\', '/');
        await using ToolProcess server = ToolProcess.Start("serve", "--bench", "--unix", path, "--json");
        Assert.Equal(path, JsonElement.Parse(await server.NextLineAsync()).GetProperty("path").GetString());

        string[] output = await MeasureAsync(
            seconds => InProcess.RunAsync("bench", path, "--json", "--duration", seconds, "--size", "70000"), output => Count(output, "roundTrips") == 2);
        JsonElement roundTrips = JsonElement.Parse(Assert.Single(output)).GetProperty("roundTrips");
        Assert.Equal(14, roundTrips[1].GetProperty("window").GetInt32()); // 1 MiB

        (int exitCode, output, string error) = await InProcess.RunAsync("send", path, "myapplication:mypacket", "1", "--expect", "1");
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["myapplication:myprintpacket 1"], output);
    }

    [Fact]
    public async Task A_server_that_takes_no_part_is_left_with_one_sentence()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync();
        await using ToolProcess running = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync("bench", address);

        Assert.Equal(3, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
        Assert.Contains("serve --bench", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_goes_away_is_one_sentence_behind_what_was_measured()
    {
        (ToolProcess server, string address) = await ToolProcess.ServeAsync("--bench");
        await using ToolProcess running = server;
        await using ToolProcess bench = ToolProcess.Start("bench", address, "--size", "16,16,16,16", "--duration", "5");
        await bench.NextLineAsync("One way");

        server.Kill();

        (int exitCode, string[] output, string error) = await bench.EndAsync();
        Assert.Equal(3, exitCode);
        Assert.Contains("Not complete: this is what was measured until then.", output);
        InProcess.AssertIsOneSentence(error);
    }

    [Fact]
    public async Task Ctrl_C_prints_what_was_measured_and_ends_the_server()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Signals are sent with kill(2).");
        await using ToolProcess bench = ToolProcess.Start("bench", "--size", "16,3600,16,16", "--duration", "2"); // long enough to come in between
        int serverProcess = ServerProcess(await bench.NextLineAsync("Server: "));
        await bench.NextLineAsync("      16 bytes");

        bench.Signal(PosixSignal.SIGINT);

        (int exitCode, string[] output, string error) = await bench.EndAsync();
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Contains("Not complete: this is what was measured until then.", output);
        Assert.DoesNotContain(output, line => line.Contains("under way", StringComparison.Ordinal));
        AssertIsGone(serverProcess);
    }

    [Fact]
    public async Task The_server_process_ends_with_a_client_that_is_killed()
    {
        await using ToolProcess bench = ToolProcess.Start("bench", "--duration", "600");
        using Process server = Process.GetProcessById(ServerProcess(await bench.NextLineAsync("Server: ")));

        bench.Kill();

        await server.WaitForExitAsync().Soon();
    }

    // On a busy machine not one message may come through in so short a time, and there is no figure: then it gets longer.
    private static async Task<string[]> MeasureAsync(Func<string, Task<(int ExitCode, string[] Output, string Error)>> run, Func<string[], bool> hasAllFigures)
    {
        for (double seconds = 0.1; ; seconds *= 5)
        {
            Assert.InRange(seconds, 0, 15);
            (int exitCode, string[] output, string error) = await run(seconds.ToString(CultureInfo.InvariantCulture));
            Assert.Equal((0, ""), (exitCode, error));
            if (hasAllFigures(output))
                return output;
        }
    }

    private static int Count(string[] output, string figures) => JsonElement.Parse(Assert.Single(output)).GetProperty(figures).GetArrayLength();

    private static void AssertIsConsistent(JsonElement oneWay)
    {
        long messages = oneWay.GetProperty("messages").GetInt64();
        double seconds = oneWay.GetProperty("seconds").GetDouble();
        Assert.True(messages > 0 && seconds > 0);
        Assert.Equal(messages * oneWay.GetProperty("size").GetInt64(), oneWay.GetProperty("bytes").GetInt64());
        Assert.Equal(1, oneWay.GetProperty("messagesPerSecond").GetDouble() / (messages / seconds), 0.01);
        Assert.Equal(1, oneWay.GetProperty("megabytesPerSecond").GetDouble() * 1e6 * seconds / oneWay.GetProperty("bytes").GetInt64(), 0.01);
    }

    private static void AssertLatencyIsConsistent(JsonElement roundTrips)
    {
        long count = roundTrips.GetProperty("count").GetInt64();
        Assert.True(count > 0);
        Assert.Equal(1, roundTrips.GetProperty("perSecond").GetDouble() * roundTrips.GetProperty("seconds").GetDouble() / count, 0.01);
        double[] microseconds = [.. roundTrips.GetProperty("microseconds").EnumerateObject().Select(one => one.Value.GetDouble())];
        Assert.Equal(6, microseconds.Length);
        Assert.True(microseconds[0] > 0);
        Assert.Equal(microseconds.Order(), microseconds);
        JsonElement[] rows = [.. roundTrips.GetProperty("histogram").EnumerateArray()];
        Assert.Equal(count, rows.Sum(row => row.GetProperty("count").GetInt64()));
        Assert.InRange(microseconds[0], rows[0].GetProperty("from").GetDouble(), rows[0].GetProperty("to").GetDouble());
        Assert.InRange(microseconds[^1], rows[^1].GetProperty("from").GetDouble(), rows[^1].GetProperty("to").GetDouble());
    }

    private static int ServerProcess(string line)
        => int.Parse(Regex.Match(line, @"own process (\d[\d ]*) on 127\.0\.0\.1:").Groups[1].Value, CultureInfo.InvariantCulture);

    private static void AssertIsGone(int processId) => Assert.Throws<ArgumentException>(() => Process.GetProcessById(processId).Dispose());
}
