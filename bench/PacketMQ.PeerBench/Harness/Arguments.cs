using System.Globalization;

namespace PeerBench;

/// <summary>The words and options of a command line.</summary>
public sealed class Arguments
{
    private readonly Dictionary<string, string> _options = [];
    private readonly string[] _all;

    /// <param name="args">What follows the command.</param>
    /// <param name="switches">Options without a value, without their dashes.</param>
    /// <param name="options">Options with one.</param>
    public Arguments(string[] args, string[] switches, params string[] options)
    {
        _all = args;
        for (int i = 0; i < args.Length; i++)
        {
            if (!args[i].StartsWith("--"))
                Words.Add(args[i]);
            else if (switches.Contains(args[i][2..]))
                _options[args[i][2..]] = "";
            else if (options.Contains(args[i][2..]) && i + 1 < args.Length)
                _options[args[i][2..]] = args[++i];
            else
                throw new ArgumentException($"{args[i]} is unknown or lacks its value");
        }
    }

    public List<string> Words { get; } = [];

    public bool Has(string name) => _options.ContainsKey(name);

    public string Value(string name, string otherwise) => _options.GetValueOrDefault(name, otherwise);

    public double Number(string name, double otherwise)
        => _options.TryGetValue(name, out string? value) ? double.Parse(value, CultureInfo.InvariantCulture) : otherwise;

    public string[] List(string name, string otherwise) => Value(name, otherwise).Split(',', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>The command as somebody types it. Where the results went to is nobody else's business.</summary>
    public string Command(string chore)
    {
        int at = Array.IndexOf(_all, "--out");
        return string.Join(' ', ["./build.sh", chore, .. at < 0 ? _all : [.. _all[..at], .. _all[(at + 2)..]]]);
    }
}
