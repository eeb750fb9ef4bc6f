namespace PacketMQ.Tool;

/// <summary>Ends the command with one sentence on standard error.</summary>
/// <param name="exitCode">One of <see cref="ExitCode"/>.</param>
/// <param name="sentence">What went wrong, with the value that was wrong.</param>
internal sealed class CommandException(int exitCode, string sentence) : Exception(sentence)
{
    /// <summary>The command's exit code.</summary>
    public int ExitCode { get; } = exitCode;
}
