using System.Diagnostics;
using System.Net;
using System.Threading.Channels;

namespace PacketMQ.Soak;

/// <summary>A process of a run besides its own, as its parent sees it: one line for a command, one line for its answer.</summary>
internal sealed class ChildProcess : IDisposable
{
    private readonly Channel<string> _answers = Channel.CreateUnbounded<string>();
    private readonly Process _process;
    private int _complaints;

    private ChildProcess(Process process)
    {
        _process = process;
        _process.EnableRaisingEvents = true;
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

    /// <summary>What it said when it was ready.</summary>
    public string FirstAnswer { get; private set; } = "";

    public bool HasExited => _process.HasExited;

    /// <summary>How it ended: 137 stands for kill -9, 134 for an abort of the runtime.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Starts a client process and waits until it says that it is ready.</summary>
    public static Task<ChildProcess> StartAsync(string kind, IPEndPoint server, params int[] numbers) => StartAsync(kind, server.Port, [], null, null, numbers);

    /// <summary>Starts a process of clients that encrypt.</summary>
    public static Task<ChildProcess> StartAsync(string kind, IPEndPoint server, SoakCertificate certificate, params int[] numbers)
        => StartAsync(kind, server.Port, [], null, certificate, numbers);

    /// <summary>Starts a process in a network of its own, which goes with it: whatever is done to that network needs no tidying.</summary>
    public static Task<ChildProcess> StartInOwnNetworkAsync(string kind) => StartAsync(kind, 0, ["unshare", "--net", "--"], null, null);

    /// <summary>Starts a server process; its first answer is its port.</summary>
    /// <param name="port">Where it listens; 0 picks a free port.</param>
    /// <param name="heapLimit">How many bytes its managed heap may have.</param>
    public static Task<ChildProcess> StartServerAsync(int port, long? heapLimit = null) => StartAsync("server", port, [], heapLimit, null);

    /// <summary>Starts a server process that may have so many files open.</summary>
    /// <param name="files">How many.</param>
    /// <param name="maxConnections">How many connections it may have; null: the default.</param>
    public static Task<ChildProcess> StartServerWithFewFilesAsync(int files, int? maxConnections)
        => StartAsync("server", 0, ["prlimit", $"--nofile={files}", "--"], null, null, maxConnections is { } most ? [most] : []);

    private static async Task<ChildProcess> StartAsync(
        string kind, int port, string[] launcher, long? heapLimit, SoakCertificate? certificate, params int[] numbers)
    {
        string self = Environment.ProcessPath!;
        string[] host = Path.GetFileNameWithoutExtension(self) == "dotnet" ? [typeof(ChildProcess).Assembly.Location] : [];
        string[] command = [.. launcher, self, .. host, "child", kind, $"{port}", .. numbers.Select(number => $"{number}")];
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        if (heapLimit is { } limit)
            start.Environment["DOTNET_GCHeapHardLimit"] = limit.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
        if (certificate is not null)
            start.Environment[SoakCertificate.Variable] = certificate.Root;
        var child = new ChildProcess(Process.Start(start)!);
        child.FirstAnswer = await child.AnswerAsync().ConfigureAwait(false);
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

    /// <summary>Stops it where it is, as SIGSTOP does, until <see cref="Wake"/>.</summary>
    public void Freeze() => Signal("-STOP");

    public void Wake() => Signal("-CONT");

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.WaitForExit(); // then its last output is read, and the pipes are closed here and not by the finalizer
        _process.StandardInput.Dispose();
        _process.Dispose();
    }

    private void Signal(string name)
    {
        using Process kill = Process.Start("kill", [name, $"{_process.Id}"]);
        kill.WaitForExit();
    }

    private async Task<string> AnswerAsync() => await _answers.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromMinutes(3)).ConfigureAwait(false);
}
