using System.Diagnostics;

namespace PacketMQ.Soak;

/// <summary>What a run needs that puts one of its processes into a network of its own (<see cref="ChildProcess.StartInOwnNetworkAsync"/>).</summary>
internal static class OwnNetwork
{
    /// <summary>Whether there can be one here, with these commands besides unshare; says why not.</summary>
    public static bool IsPossible(params string[] commands)
    {
        if (!Environment.IsPrivilegedProcess)
        {
            Console.WriteLine("skipped: a network of its own needs root");
            return false;
        }

        string[] missing = [.. commands.Append("unshare").Where(command => !IsInstalled(command))];
        if (missing.Length > 0)
            Console.WriteLine($"skipped: a network of its own needs what is not installed here: {string.Join(", ", missing)}");
        return missing.Length == 0;
    }

    /// <summary>Runs a command that sets the network of this process up.</summary>
    public static async Task DoAsync(string command, params string[] arguments)
    {
        using Process process = Process.Start(command, arguments);
        await process.WaitForExitAsync().ConfigureAwait(false);
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{command} {string.Join(' ', arguments)} ended with {process.ExitCode}.");
    }

    private static bool IsInstalled(string command)
        => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Any(folder => File.Exists(Path.Combine(folder, command)));
}
