using System.Diagnostics;
using System.Net;
using System.Threading.Channels;

namespace PacketMQ.Soak;

/// <summary>A client process of a run, as its parent sees it: one line for a command, one line for its answer.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Channel<string> _answers = Channel.CreateUnbounded<string>();
    private readonly Process _process;
    private int _complaints;

    private ChildProcess(Process process)
    {
        _process = process;
        process.OutputDataReceived += (_, e) =>
        {
            if (e.Data is null)
            {
                _answers.Writer.TryComplete();
            }
            else if (e.Data.StartsWith("= ", StringComparison.Ordinal))
            {
                _answers.Writer.TryWrite(e.Data[2..]);
            }
            else
            {
                Interlocked.Increment(ref _complaints);
                Console.WriteLine(e.Data);
            }
        };
        process.BeginOutputReadLine();
    }

    /// <summary>Broken invariants and unobserved exceptions that it has told of.</summary>
    public int Complaints => Volatile.Read(ref _complaints);

    /// <summary>Starts a client process and waits until it says that it is ready.</summary>
    public static async Task<ChildProcess> StartAsync(string kind, IPEndPoint server, params int[] numbers)
    {
        string self = Environment.ProcessPath!;
        string[] host = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [typeof(ChildProcess).Assembly.Location] : [];
        var start = new ProcessStartInfo(self, [.. host, "child", kind, $"{server.Port}", .. numbers.Select(number => $"{number}")])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var child = new ChildProcess(Process.Start(start)!);
        await child.AnswerAsync().ConfigureAwait(false);
        return child;
    }

    public async Task<string> AskAsync(string command)
    {
        Tell(command);
        return await AnswerAsync().ConfigureAwait(false);
    }

    public void Tell(string command)
    {
        _process.StandardInput.WriteLine(command);
        _process.StandardInput.Flush();
    }

    /// <summary>Kills it, as kill -9 does.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync().ConfigureAwait(false);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private async Task<string> AnswerAsync() => await _answers.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromMinutes(3)).ConfigureAwait(false);
}
