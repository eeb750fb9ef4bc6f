using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;

namespace PeerBench;

/// <summary>What a page of results begins with: without it a figure means nothing.</summary>
public sealed record RunHeader(string Machine, string Date, string Commit, string Command)
{
    public static RunHeader Now(string command) => new(
        $"{Environment.ProcessorCount} x {Processor()}, {Memory()}, {SystemName()}, {RuntimeInformation.FrameworkDescription}, loopback",
        DateTimeOffset.UtcNow.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture), Revision(), command);

    public string ToMarkdown() => $"""
        - Machine: {Machine}
        - Date: {Date}; commit: {Commit}
        - Command: `{Command}`

        Read the ratios: both sides of one were measured in the same round. Absolute figures mean nothing on another machine, and little on
        this one at another time.

        """;

    private static string Processor() => First("/proc/cpuinfo", "model name") ?? RuntimeInformation.ProcessArchitecture.ToString();

    private static string Memory() => $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024):0} GiB";

    private static string SystemName() => First("/etc/os-release", "PRETTY_NAME")?.Trim('"') ?? RuntimeInformation.OSDescription;

    private static string? First(string file, string key) => File.Exists(file)
        ? File.ReadLines(file).FirstOrDefault(line => line.StartsWith(key))?.Split([':', '='], 2)[1].Trim()
        : null;

    private static string Revision()
    {
        string? version = typeof(RunHeader).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        return version?.Split('+') is [_, { Length: >= 7 } hash] ? hash[..7] : "unknown";
    }
}
