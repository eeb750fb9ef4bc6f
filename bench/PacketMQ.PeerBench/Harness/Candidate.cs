using System.Diagnostics;

namespace PeerBench;

/// <summary>A peer that can be measured, and the built harness assembly that it is in.</summary>
public sealed record Candidate(string Host, string Name, Work Supports)
{
    /// <summary>Asks each host for its peers. A host that does not answer has none.</summary>
    public static List<Candidate> Discover(IEnumerable<string> hosts)
    {
        var found = new List<Candidate>();
        foreach (string host in hosts)
        {
            using var process = Process.Start(new ProcessStartInfo("dotnet", [host, "list"]) { RedirectStandardOutput = true })!;
            foreach (string line in process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries))
                if (line.Split(' ', 2) is [var name, var works])
                    found.Add(new(host, name, Enum.Parse<Work>(works)));
        }

        return found;
    }

    /// <summary>The peers of the given names, in that order.</summary>
    /// <exception cref="ArgumentException">There is no such peer; the message names those that there are.</exception>
    public static List<Candidate> Choose(IReadOnlyList<Candidate> all, IEnumerable<string> names)
        => [.. names.Select(name => all.FirstOrDefault(peer => peer.Name == name)
            ?? throw new ArgumentException($"unknown peer: {name}; there are: {string.Join(", ", all.Select(peer => peer.Name))}"))];
}
