using System.Text;

namespace PacketMQ.Tool.Demo;

/// <summary>Catches the first line that somebody prints.</summary>
internal sealed class FirstLine : TextWriter
{
    private readonly TaskCompletionSource<string> _line = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <inheritdoc/>
    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>Completes with the line.</summary>
    public Task<string> Line => _line.Task;

    /// <inheritdoc/>
    public override void WriteLine(string? value) => _line.TrySetResult(value ?? "");
}
