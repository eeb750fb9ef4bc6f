using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace PeerBench;

/// <summary>A child process that is one side of a run, and the conversation with it (see <see cref="Agent"/>).</summary>
public sealed class AgentProcess : IDisposable
{
    /// <summary>Seconds that any single step may take.</summary>
    public const double Patience = 60;

    private readonly Process _process;
    private readonly string _side;

    public AgentProcess(Candidate peer, string side, Work work, int payload, int port)
    {
        _side = side;
        bool quiet = Environment.GetEnvironmentVariable("PEERBENCH_VERBOSE") is null;
        _process = Process.Start(new ProcessStartInfo("dotnet", [peer.Host, "agent", side, peer.Name, work.ToString(), payload.ToString(), port.ToString()])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = quiet,
        })!;
        if (quiet)
        {
            _process.ErrorDataReceived += (_, _) => { };
            _process.BeginErrorReadLine();
        }
    }

    public static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    public async Task<Dictionary<string, double>> AskAsync(string command)
    {
        await _process.StandardInput.WriteLineAsync(command);
        await _process.StandardInput.FlushAsync();
        return await ReadAsync(command);
    }

    public async Task<Dictionary<string, double>> ReadAsync(string command = "start")
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(Patience + 10));
        try
        {
            while (await _process.StandardOutput.ReadLineAsync(limit.Token) is { } line)
            {
                if (!line.StartsWith("@@"))
                    continue;
                using var json = JsonDocument.Parse(line.AsMemory(2));
                if (json.RootElement.TryGetProperty("error", out var error))
                    throw new InvalidOperationException($"{_side}: {error.GetString()}");
                return json.RootElement.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetDouble());
            }
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{_side}: no answer to '{command}'");
        }

        throw new InvalidOperationException($"{_side}: ended during '{command}'");
    }

    public void Dispose()
    {
        try
        {
            _process.StandardInput.WriteLine("quit");
            _process.StandardInput.Flush();
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            // It has gone already.
        }

        if (!_process.WaitForExit(1000))
            _process.Kill(entireProcessTree: true);
        _process.WaitForExit(5000);
        _process.Dispose();
    }
}
