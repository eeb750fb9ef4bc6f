using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace PacketMQ.Tests;

/// <summary>
/// Reads the sources of the layers below the connections and refuses what does not belong there: the wire does no I/O and knows no time, the
/// transports know nothing of what the bytes mean, and nobody knows the layers above. Comments and texts may say what they like.
/// </summary>
public sealed partial class ArchitectureTests
{
    private const string NotInWire =
        @"\b(\w*Task|async|await|\w*Socket|\w*Stream|Pipe\w*|\w*Timer?|TimeProvider|Stopwatch|DateTime\w*|ILogger\w*|Thread\w*|lock|Monitor|Random)\b"
        + @"|\b(Connections|Transports|Dispatch|Serialization)\.\w|\busing PacketMQ\.(Connections|Transports|Dispatch|Serialization)\b";

    private const string NotInTransports = @"\bILogger\w*|\b(Wire|Connections|Dispatch|Serialization)\.\w|\busing PacketMQ\.(Wire|Connections|Dispatch|Serialization)\b";

    private const string NotInSerialization = @"\b(Wire|Connections|Transports|Dispatch)\.\w|\busing PacketMQ\.(Wire|Connections|Transports|Dispatch)\b";

    private const string NotInDispatch = @"\b(Connections|Transports)\.\w|\busing PacketMQ\.(Connections|Transports)\b";

    [Fact]
    public void The_wire_does_no_input_and_output_and_knows_no_time() => Assert.Empty(Offences("Wire", NotInWire));

    [Fact]
    public void The_transports_know_nothing_of_the_layers_above() => Assert.Empty(Offences("Transports", NotInTransports));

    [Fact]
    public void The_serialization_knows_nothing_of_packets_on_their_way() => Assert.Empty(Offences("Serialization", NotInSerialization));

    [Fact]
    public void The_dispatch_knows_nothing_of_connections_and_transports() => Assert.Empty(Offences("Dispatch", NotInDispatch));

    [Theory]
    [InlineData("using PacketMQ.Connections;", "using PacketMQ.Connections")]
    [InlineData("using PacketMQ.Serialization;", "using PacketMQ.Serialization")]
    [InlineData("Connections.SendQueue queue", "Connections.S")]
    [InlineData("public async ValueTask ReadAsync()", "async")]
    [InlineData("private readonly NetworkStream _in;", "NetworkStream")]
    [InlineData("void Log(ILogger<Session> to)", "ILogger")]
    [InlineData("lock (_gate)", "lock")]
    [InlineData("long now = Stopwatch.GetTimestamp(); // \"quoted\"", "Stopwatch")]
    [InlineData("string s = $\"{Task.CurrentId}\" + \"x\"; Thread.Yield();", "Thread")]
    public void The_check_of_the_wire_can_fail(string source, string offence) => Assert.Equal(offence, Find(source, NotInWire));

    [Theory]
    [InlineData("/// <summary>The stream is over: no Task, no lock.</summary>")]
    [InlineData("/* async */ int blocks = 0; // await")]
    [InlineData("throw new Exception(\"The Stream's \\\"lock\\\"\");")]
    [InlineData("using System.Buffers; // not using PacketMQ.Connections")]
    public void The_check_of_the_wire_passes_over_words(string source) => Assert.Null(Find(source, NotInWire));

    [Theory]
    [InlineData("using PacketMQ.Wire;", "using PacketMQ.Wire")]
    [InlineData("using PacketMQ.Dispatch;", "using PacketMQ.Dispatch")]
    [InlineData("ILoggerFactory log", "ILoggerFactory")]
    public void The_check_of_the_transports_can_fail(string source, string offence) => Assert.Equal(offence, Find(source, NotInTransports));

    private static IEnumerable<string> Offences(string layer, string forbidden)
    {
        string folder = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "src", "PacketMQ", layer);
        string[] files = Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories);
        Assert.NotEmpty(files);
        return files.Select(file => (Path.GetFileName(file), Find(File.ReadAllText(file), forbidden)))
            .Where(found => found.Item2 is not null)
            .Select(found => $"{layer}/{found.Item1}: {found.Item2}");
    }

    private static string? Find(string source, string forbidden)
        => Regex.Match(CommentOrText().Replace(source, " "), forbidden) is { Success: true } match ? match.Value : null;

    [GeneratedRegex("""//[^\n]*|/\*.*?\*/|"(\\.|[^"\\\n])*"|'(\\.|[^'\\\n])'""", RegexOptions.Singleline)]
    private static partial Regex CommentOrText();

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
