using System.Diagnostics;
using System.Text.Json;

namespace PacketMQ.Tool.Bench;

/// <summary>
/// A server process for one measurement: this same program, on a free port of this machine. It ends when its standard input does, so
/// also when this process is killed.
/// </summary>
internal sealed class OwnServer : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Process _process;
    private readonly TimeProvider _clock;

    private OwnServer(Process process, TimeProvider clock, ServerAddress address)
        => (_process, _clock, Address) = (process, clock, address);

    /// <summary>Where it listens.</summary>
    public ServerAddress Address { get; }

    /// <summary>Its number in the system.</summary>
    public int ProcessId => _process.Id;

    /// <summary>Starts it and waits until it listens.</summary>
    /// <exception cref="CommandException">It did not.</exception>
    public static async Task<OwnServer> StartAsync(TimeProvider clock, CancellationToken cancellationToken)
    {
        Process process = Process.Start(DescribeStart())!;
        try
        {
            string? line = await process.StandardOutput.ReadLineAsync(cancellationToken).AsTask().WaitAsync(Patience, clock, cancellationToken);
            if (line is not null)
            {
                JsonElement listening = JsonElement.Parse(line);
                return new OwnServer(process, clock, new(listening.GetProperty("host").GetString()!, listening.GetProperty("port").GetInt32()));
            }

            string error = (await process.StandardError.ReadToEndAsync(cancellationToken)).Trim();
            throw new CommandException(ExitCode.Failure, $"The server process ended at once: {(error.Length == 0 ? "it gave no reason." : error)}");
        }
        catch (TimeoutException)
        {
            await EndAsync(process, clock);
            throw new CommandException(ExitCode.TimedOut, $"The server process did not begin to listen within {Patience.TotalSeconds} s.");
        }
        catch
        {
            await EndAsync(process, clock);
            throw;
        }
    }

    /// <summary>Ends it.</summary>
    public ValueTask DisposeAsync() => EndAsync(_process, _clock);

    private static ProcessStartInfo DescribeStart()
    {
        string program = Environment.ProcessPath ?? throw new CommandException(ExitCode.Failure, "The system does not tell this program's path.");
        var start = new ProcessStartInfo(program)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            CreateNoWindow = true,
        };
        if (Path.GetFileNameWithoutExtension(program).Equals("dotnet", StringComparison.OrdinalIgnoreCase))
            start.ArgumentList.Add(Environment.GetCommandLineArgs()[0]); // dotnet PacketMQ.Tool.dll
        start.ArgumentList.Add(BenchServerCommand.Name);
        return start;
    }

    private static async ValueTask EndAsync(Process process, TimeProvider clock)
    {
        using (process)
        {
            process.StandardInput.Close();
            try
            {
                await process.WaitForExitAsync().WaitAsync(Patience, clock);
            }
            catch (TimeoutException)
            {
                process.Kill();
                await process.WaitForExitAsync();
            }
        }
    }
}
