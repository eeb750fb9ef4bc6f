using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace PacketMQ.Tool.Tests.Support;

/// <summary>The built command as a process of its own, as a user starts it.</summary>
internal sealed class ToolProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly Task _reading;
    private readonly Channel<string> _errorLines = Channel.CreateUnbounded<string>();
    private readonly Task<string> _error;

    private ToolProcess(Process process)
    {
        _process = process;
        _error = ReadErrorAsync();
        _reading = ReadAsync();
    }

    /// <summary>A server that may have only so many files and sockets open.</summary>
    public static async Task<(ToolProcess Server, string Address)> ServeWithFewFilesAsync(int openFiles, params string[] arguments)
    {
        ToolProcess server = Start(openFiles, ["serve", "--port", "0", .. arguments]);
        return (server, (await server.NextLineAsync("listening on "))["listening on ".Length..]);
    }

    public static ToolProcess Start(params string[] arguments) => Start(null, arguments);

    private static ToolProcess Start(int? openFiles, string[] arguments)
    {
        string runtime = RuntimeEnvironment.GetRuntimeDirectory(); // <root>/shared/Microsoft.NETCore.App/<version>/
        string host = Path.GetFullPath(Path.Combine(runtime, "..", "..", "..", OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet"));
        var start = new ProcessStartInfo(openFiles is null ? host : "/bin/sh")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (openFiles is { } limit)
        {
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add($"ulimit -n {limit} && exec \"$0\" \"$@\"");
            start.ArgumentList.Add(host);
        }

        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "PacketMQ.Tool.dll"));
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        return new ToolProcess(Process.Start(start)!);
    }

    /// <summary>A server on a free port, and where it listens.</summary>
    public static async Task<(ToolProcess Server, string Address)> ServeAsync(params string[] arguments)
    {
        ToolProcess server = Start(["serve", "--port", "0", .. arguments]);
        string line = await server.NextLineAsync();
        Assert.StartsWith("listening on ", line, StringComparison.Ordinal);
        return (server, line["listening on ".Length..]);
    }

    public static async Task<(int ExitCode, string[] Output, string Error)> RunAsync(params string[] arguments)
    {
        await using ToolProcess process = Start(arguments);
        return await process.EndAsync();
    }

    /// <summary>The next line on standard output.</summary>
    public Task<string> NextLineAsync() => _lines.Reader.ReadAsync().AsTask().Soon();

    /// <summary>The next line that begins so; the ones before are dropped.</summary>
    public async Task<string> NextLineAsync(string beginning)
    {
        while (true)
        {
            string line = await NextLineAsync();
            if (line.StartsWith(beginning, StringComparison.Ordinal))
                return line;
        }
    }

    /// <summary>Waits for a line on standard error that begins so.</summary>
    public async Task ErrorLineAsync(string beginning)
    {
        while (!(await _errorLines.Reader.ReadAsync().AsTask().Soon()).StartsWith(beginning, StringComparison.Ordinal))
        {
            // Something else.
        }
    }

    public async Task WriteInputAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text);
        _process.StandardInput.Close();
    }

    public void Signal(PosixSignal signal) => Assert.Equal(0, Kill(_process.Id, signal == PosixSignal.SIGINT ? 2 : 15));

    /// <summary>Ends it without a chance to say goodbye.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Waits for the end by itself.</summary>
    /// <returns>The exit code, the lines that nobody has read yet, and all of standard error.</returns>
    public async Task<(int ExitCode, string[] Output, string Error)> EndAsync()
    {
        await _process.WaitForExitAsync().Soon();
        await _reading.Soon();
        var rest = new List<string>();
        while (_lines.Reader.TryRead(out string? line))
            rest.Add(line);
        return (_process.ExitCode, [.. rest], await _error.Soon());
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task<string> ReadErrorAsync()
    {
        var all = new System.Text.StringBuilder();
        while (await _process.StandardError.ReadLineAsync() is { } line)
        {
            all.AppendLine(line);
            _errorLines.Writer.TryWrite(line);
        }

        return all.ToString();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
            _lines.Writer.TryWrite(line);
        _lines.Writer.Complete();
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int processId, int signal);
}
