using System.Text;

namespace PacketMQ.Tool.Tests.Support;

/// <summary>The command inside the test: for the many small questions that need no process of their own.</summary>
internal static class InProcess
{
    public static Task<(int ExitCode, string[] Output, string Error)> RunAsync(params string[] arguments)
        => RunWithInputAsync("", arguments);

    public static async Task<(int ExitCode, string[] Output, string Error)> RunWithInputAsync(string input, params string[] arguments)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(input));
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = await CommandLine.RunAsync(arguments, new Surroundings(stream, output, error, IsTerminal: false)).Soon();
        return (exitCode, output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries), error.ToString());
    }

    /// <summary>As if a person watched, on a terminal of so many columns. What was written to it, control characters and all.</summary>
    public static async Task<string> RunOnTerminalAsync(int width, params string[] arguments)
    {
        using var input = new MemoryStream();
        using var output = new StringWriter();
        using var error = new StringWriter();
        int exitCode = await CommandLine.RunAsync(arguments, new Surroundings(input, output, error, IsTerminal: true) { GetWidth = () => width }).Soon();
        Assert.Equal((0, ""), (exitCode, error.ToString()));
        return output.ToString();
    }

    /// <summary>Asserts that the text is one line that says something.</summary>
    public static void AssertIsOneSentence(string error)
    {
        Assert.EndsWith("\n", error, StringComparison.Ordinal);
        string sentence = error.TrimEnd('\r', '\n');
        Assert.NotEmpty(sentence);
        Assert.DoesNotContain(sentence, char.IsControl);
        Assert.DoesNotContain("   at ", sentence, StringComparison.Ordinal);
        Assert.EndsWith(".", sentence, StringComparison.Ordinal);
    }
}
