using System.Reflection;

namespace PacketMQ.Fuzz;

/// <summary>
/// The inputs that mutation begins with, one a line of hexadecimal digits in <c>Seeds/&lt;target&gt;.txt</c>: valid conversations, the bad input of the
/// conformance tests, and every finding since.
/// </summary>
internal static class SeedCorpus
{
    public static IReadOnlyList<byte[]> Of(string target)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"Seeds/{target}")
            ?? throw new ArgumentException($"There are no seeds for '{target}'.", nameof(target));
        using var reader = new StreamReader(stream);
        var seeds = new List<byte[]>();
        while (reader.ReadLine() is { } line)
        {
            line = line.Split('#')[0].Replace(" ", "", StringComparison.Ordinal);
            if (line.Length > 0)
                seeds.Add(Convert.FromHexString(line));
        }

        return seeds;
    }

    public static void WriteTo(string target, string directory)
    {
        Directory.CreateDirectory(directory);
        int number = 0;
        foreach (byte[] seed in Of(target))
            File.WriteAllBytes(Path.Combine(directory, $"seed-{number++:d3}"), seed);
    }
}
