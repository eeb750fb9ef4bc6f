using System.Text.RegularExpressions;

namespace PacketMQ.Tests.Support;

/// <summary>One Markdown file of the repository, as far as its promises can be checked: blocks, links, anchors, tables.</summary>
internal sealed partial class Markdown
{
    private readonly List<(string Language, int Line, string Text)> _blocks = [];
    private readonly List<(int Line, string Text)> _prose = [];
    private readonly List<(string Heading, string Line)> _rows = [];

    public Markdown(string path, string text)
    {
        Path = path;
        string heading = "";
        string? language = null;
        List<string> block = [];
        string[] lines = text.ReplaceLineEndings("\n").Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i];
            if (line.StartsWith("```", StringComparison.Ordinal))
            {
                if (language is null)
                {
                    (language, block) = (line[3..].Trim(), []);
                }
                else
                {
                    _blocks.Add((language, i - block.Count + 1, Dedent(block)));
                    language = null;
                }
            }
            else if (language is not null)
            {
                block.Add(line);
            }
            else
            {
                _prose.Add((i + 1, line));
                if (Headline().Match(line) is { Success: true } headline)
                {
                    heading = headline.Groups[1].Value.Trim();
                    Anchors.Add(AnchorOf(heading, Anchors));
                }
                else if (line.StartsWith('|'))
                {
                    _rows.Add((heading, line));
                }
            }
        }
    }

    /// <summary>Relative to the repository's root.</summary>
    public string Path { get; }

    public HashSet<string> Anchors { get; } = [];

    public IEnumerable<(int Line, string Text)> Blocks(string language)
        => _blocks.Where(block => block.Language == language).Select(block => (block.Line, block.Text));

    /// <summary>The targets of all links and pictures in the prose.</summary>
    public IEnumerable<(int Line, string Target)> Links
        => _prose.SelectMany(line => Link().Matches(line.Text).Select(link => (line.Line, link.Groups[1].Value)));

    /// <summary>The cells of the table under a heading, without its head.</summary>
    public IEnumerable<string[]> Rows(string heading) => _rows
        .Where(row => row.Heading == heading)
        .Skip(2)
        .Select(row => row.Line.Trim().Trim('|').Split('|').Select(cell => cell.Trim()).ToArray());

    /// <summary>What is wrong with the relative links; links to other sites are nobody's business here.</summary>
    /// <param name="exists">Whether a path, relative to the root, exists.</param>
    /// <param name="pages">The pages that have anchors.</param>
    public IEnumerable<string> DeadLinks(Func<string, bool> exists, IReadOnlyDictionary<string, Markdown> pages)
    {
        foreach ((int line, string target) in Links.Where(link => !link.Target.Contains("://", StringComparison.Ordinal)))
        {
            string[] parts = target.Split('#', 2);
            string path = parts[0].Length == 0 ? Path : Normalize(System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path)!, parts[0]));
            if (!exists(path))
                yield return $"{Path}:{line}: {target} leads to nothing";
            else if (parts.Length == 2 && !(pages.TryGetValue(path, out Markdown? page) && page.Anchors.Contains(parts[1])))
                yield return $"{Path}:{line}: {target} has no such heading";
        }
    }

    /// <summary>The regions of a source file: from <c>// &lt;name&gt;</c> to <c>// &lt;/name&gt;</c>.</summary>
    public static IEnumerable<(string Name, string Text)> Regions(string source)
    {
        string? name = null;
        List<string> region = [];
        foreach (string line in source.ReplaceLineEndings("\n").Split('\n'))
        {
            Match mark = RegionMark().Match(line);
            if (mark.Success && mark.Groups[1].Length == 0)
            {
                (name, region) = (mark.Groups[2].Value, []);
            }
            else if (mark.Success)
            {
                if (mark.Groups[2].Value != name)
                    throw new FormatException($"The region '{mark.Groups[2].Value}' ends before it begins.");
                yield return (name, Dedent(region));
                name = null;
            }
            else
            {
                region.Add(line);
            }
        }

        if (name is not null)
            throw new FormatException($"The region '{name}' does not end.");
    }

    private static string Dedent(IReadOnlyCollection<string> lines)
    {
        int indent = lines.Where(line => line.Trim().Length > 0).Select(line => line.Length - line.TrimStart().Length).DefaultIfEmpty(0).Min();
        return string.Join('\n', lines.Select(line => line.Trim().Length == 0 ? "" : line[indent..].TrimEnd())).Trim('\n');
    }

    // As GitHub makes them.
    private static string AnchorOf(string heading, HashSet<string> taken)
    {
        string anchor = NotInAnchors().Replace(heading.ToLowerInvariant(), "").Replace(' ', '-');
        string unique = anchor;
        for (int i = 1; taken.Contains(unique); i++)
            unique = $"{anchor}-{i}";
        return unique;
    }

    private static string Normalize(string path)
        => System.IO.Path.GetRelativePath("/", System.IO.Path.GetFullPath(System.IO.Path.Combine("/", path)));

    [GeneratedRegex(@"^#{1,6} (.+)$")]
    private static partial Regex Headline();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^\s*// <(/?)([a-z0-9-]+)>$")]
    private static partial Regex RegionMark();

    [GeneratedRegex(@"[^\p{L}\p{N} _-]")]
    private static partial Regex NotInAnchors();
}
