using System.Buffers;
using System.Reflection;
using System.Text.RegularExpressions;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests;

/// <summary>What the Markdown files say is compared with what is there.</summary>
public partial class DocumentationTests
{
    private static readonly string Root = FindRoot();

    private static readonly Dictionary<string, Markdown> Pages = ReadPages();

    [Fact]
    public void Every_csharp_block_is_a_region_of_a_compiled_sample()
    {
        HashSet<string> regions = [.. AllRegions().Select(region => region.Text)];
        string[] strangers =
        [
            .. from page in Pages.Values
               from block in page.Blocks("csharp")
               where !regions.Contains(block.Text)
               select $"{page.Path}:{block.Line}: no region of samples/ has this block:\n{block.Text}",
        ];
        AssertNone(strangers);
        Assert.NotEmpty(Pages["README.md"].Blocks("csharp"));
    }

    [Fact]
    public void Every_region_of_a_sample_is_shown_and_has_a_name_of_its_own()
    {
        (string Name, string Text)[] regions = [.. AllRegions()];
        HashSet<string> blocks = [.. Pages.Values.SelectMany(page => page.Blocks("csharp")).Select(block => block.Text)];
        AssertNone(regions.Where(region => !blocks.Contains(region.Text)).Select(region => region.Name));
        AssertNone(regions.GroupBy(region => region.Name).Where(group => group.Count() > 1).Select(group => group.Key));
    }

    [Fact]
    public void Every_block_says_its_language()
        => AssertNone(Pages.Values.Where(page => page.Blocks("").Any()).Select(page => page.Path));

    [Fact]
    public void Every_relative_link_and_anchor_leads_somewhere()
    {
        string[] dead = [.. Pages.Values.SelectMany(page => page.DeadLinks(ExistsInRoot, Pages))];
        AssertNone(dead);
        Assert.NotEmpty(Pages["README.md"].Links);
    }

    [Fact]
    public void Every_page_is_reached_from_the_README()
    {
        HashSet<string> reached = ["README.md"];
        Queue<string> queue = new(reached);
        while (queue.TryDequeue(out string? path))
        {
            foreach ((int _, string target) in Pages[path].Links)
            {
                string next = Path.GetRelativePath(Root, Path.GetFullPath(Path.Combine(Root, Path.GetDirectoryName(path)!, target.Split('#')[0])));
                if (Pages.ContainsKey(next) && reached.Add(next))
                    queue.Enqueue(next);
            }
        }

        AssertNone(Pages.Keys.Where(path => path.StartsWith("docs/", StringComparison.Ordinal) && !reached.Contains(path)));
    }

    [Fact]
    public void Every_command_line_exists()
    {
        string[] wrong =
        [
            .. from page in Pages.Values
               from block in page.Blocks("sh")
               from line in block.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
               let fault = FaultOfCommand(line)
               where fault is not null
               select $"{page.Path}: {line}: {fault}",
        ];
        AssertNone(wrong);
        Assert.Contains("dotnet test", Pages["README.md"].Blocks("sh").First().Text.Split('\n'));
    }

    [Fact]
    public void Every_close_reason_has_one_row_in_the_table_of_reasons()
    {
        IEnumerable<string> members = typeof(CloseReason).GetProperties(BindingFlags.Public | BindingFlags.Static).Select(member => $"`{member.Name}`");
        Assert.Equal(members.Order(), ReasonRows().Select(row => row[0]).Order());
    }

    [Fact]
    public void Every_option_has_one_row_with_its_default()
    {
        // What depends on the machine is said in words.
        AssertRows(new PeerOptions(), "docs/connecting.md", nameof(PeerOptions.MaxConnections), nameof(PeerOptions.MaxTotalBufferedBytes));
        AssertRows(new TlsOptions(), "docs/tls.md", nameof(TlsOptions.MaxConcurrentHandshakes));

        static void AssertRows(object defaults, string page, params ReadOnlySpan<string> saidInWords)
        {
            Dictionary<string, string> rows = Pages[page].Rows("Options").ToDictionary(row => row[0].Trim('`'), row => row[1].Trim('`'));
            PropertyInfo[] options = defaults.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance);
            Assert.Equal(options.Select(option => option.Name).Order(), rows.Keys.Order());
            foreach (PropertyInfo option in options)
            {
                if (saidInWords.Contains(option.Name))
                    continue;
                string? expected = option.GetValue(defaults) switch
                {
                    int number => number.ToString("#,0", System.Globalization.CultureInfo.InvariantCulture).Replace(',', ' '),
                    TimeSpan time => time == TimeSpan.Zero ? "0" : $"{time.TotalSeconds} s",
                    Enum value => value.ToString(),
                    bool isSet => isSet ? "true" : "false",
                    null => "null",
                    _ => null, // the clock and the log: said in words
                };
                if (expected is not null)
                    Assert.Equal((option.Name, expected), (option.Name, rows[option.Name]));
            }
        }
    }

    [Fact]
    public void The_frames_of_the_protocol_page_are_what_is_sent()
    {
        var registry = new Contract(adaptsPacketIds: false, [new("myapplication:mypacket", 17), new("myapplication:myprintpacket", 18)]);
        var frames = new ArrayBufferWriter<byte>();
        ControlPackets.WriteInit(frames);
        ControlPackets.WriteFinish(frames);
        ControlPackets.WriteSoftQuit(frames, CloseReason.Unknown);
        ControlPackets.WriteIdMap(frames, registry);

        string page = File.ReadAllText(Path.Combine(Root, "docs/wire-protocol.md"));
        IEnumerable<string> hex = page.Split('\n')
            .SkipWhile(line => !line.StartsWith("    INIT ", StringComparison.Ordinal))
            .TakeWhile(line => line.StartsWith("    ", StringComparison.Ordinal))
            .Select(line => FrameName().Replace(line, "").Replace(" ", "", StringComparison.Ordinal));
        Assert.Equal(Convert.ToHexStringLower(frames.WrittenSpan), string.Concat(hex));
    }

    [Fact]
    public void The_sections_that_the_code_cites_are_there()
    {
        string[] cited =
        [
            .. Sources("src")
                .SelectMany(source => Citation().Matches(source.Text))
                .SelectMany(match => Quoted().Matches(NextCommentLine().Replace(match.Value, " ")))
                .Select(match => match.Groups[1].Value)
                .Distinct(),
        ];
        Assert.Contains("Handshake", cited);
        string page = File.ReadAllText(Path.Combine(Root, "docs/wire-protocol.md"));
        AssertNone(cited.Where(section => !page.Contains($"\n## {section}\n", StringComparison.Ordinal)));
    }

    [Fact]
    public void Every_test_that_the_page_from_Python_names_exists()
    {
        HashSet<string> tests = [.. AllTests()];
        Assert.Contains($"{nameof(DocumentationTests)}.{nameof(Every_test_that_the_page_from_Python_names_exists)}", tests);
        AssertNone(FromPythonRows().SelectMany(row => TestsOf(row)).Where(test => !tests.Contains(test)));
    }

    [Fact]
    public void Every_row_of_the_page_from_Python_names_a_test()
        => Assert.Empty(FromPythonRows().Where(row => TestsOf(row).Length == 0).Select(row => row[0]));

    [Fact]
    public void The_checks_find_what_is_wrong()
    {
        var page = new Markdown("docs/page.md", "# A byte's journey\n[a](#a-bytes-journey) [b](other.md#no) [c](gone.md) [d](https://example.org/x)\n```csharp\n  one;\n    two;\n```\n");
        Dictionary<string, Markdown> pages = new() { ["docs/page.md"] = page, ["docs/other.md"] = new Markdown("docs/other.md", "# Yes\n") };
        Assert.Equal(
            ["docs/page.md:2: other.md#no has no such heading", "docs/page.md:2: gone.md leads to nothing"],
            page.DeadLinks(pages.ContainsKey, pages));
        Assert.Equal([(4, "one;\n  two;")], page.Blocks("csharp"));
        Assert.Equal([("x", "one;\n  two;")], Markdown.Regions("class A\n    // <x>\n    one;\n      two;\n    // </x>\n"));
        Assert.Throws<FormatException>(() => Markdown.Regions("// <x>\n").ToArray());

        Assert.NotNull(FaultOfCommand("dotnet run --project samples/Nothing"));
        Assert.NotNull(FaultOfCommand("dotnet frobnicate"));
        Assert.NotNull(FaultOfCommand("./build.sh frobnicate"));
        Assert.NotNull(FaultOfCommand("make"));
        Assert.Null(FaultOfCommand("dotnet run --project samples/Echo"));
    }

    /// <summary>The lines of a page's sh blocks that call a program.</summary>
    internal static string[] CommandsOf(string page, string program)
        => [.. Pages[page].Blocks("sh").SelectMany(block => block.Text.Split('\n')).Where(line => line.StartsWith(program + " ", StringComparison.Ordinal))];

    internal static IEnumerable<string[]> ReasonRows() => Pages["docs/closing-and-errors.md"].Rows("Every reason, and what each end sees");

    private static void AssertNone(IEnumerable<string> faults) => Assert.Equal("", string.Join("\n\n", faults));

    /// <summary>Null: the command is there.</summary>
    private static string? FaultOfCommand(string line)
    {
        string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        switch (words)
        {
            case ["dotnet", "run", "--project", var folder, .. var rest]:
                if (!Directory.Exists(Path.Combine(Root, folder)) || Directory.GetFiles(Path.Combine(Root, folder), "*.csproj").Length != 1)
                    return $"{folder} has no project";
                // Of the tool, the sub-command must be in its sources.
                return folder != "src/PacketMQ.Tool" || Sources(folder).Any(source => source.Text.Contains($"\"{rest.Last()}\"", StringComparison.Ordinal))
                    ? null
                    : $"the tool has no command {rest.Last()}";
            case ["dotnet", "test"]:
                return null;
            case ["dotnet", "test", var folder, "--filter", var test]:
                return ExistsInRoot(folder) && AllTests().Any(name => name.StartsWith(test, StringComparison.Ordinal)) ? null : "no such tests";
            case ["./build.sh", var chore]:
                return File.ReadAllText(Path.Combine(Root, "build.sh")).Contains($"\n  {chore})", StringComparison.Ordinal) ? null : $"no chore {chore}";
            case ["openssl", "req" or "x509", ..]:
                return null; // OpenSslCommandTests runs them
            case [".ci/run"]:
                return ExistsInRoot(".ci/run") ? null : "no such script";
            default:
                return "unknown to this test";
        }
    }

    private static IEnumerable<string[]> FromPythonRows() => Pages["docs/from-python.md"].Rows("Every documented member");

    private static string[] TestsOf(string[] row) => [.. Code().Matches(row[^1]).Select(match => match.Groups[1].Value)];

    private static IEnumerable<(string Name, string Text)> AllRegions() => Sources("samples").SelectMany(source => Markdown.Regions(source.Text));

    /// <summary>All tests of the sources, as Class.Method.</summary>
    private static IEnumerable<string> AllTests()
    {
        foreach ((string _, string text) in Sources("tests"))
        {
            string owner = "";
            foreach (Match match in ClassOrTest().Matches(text))
            {
                if (match.Groups[1].Success)
                    owner = match.Groups[1].Value;
                else
                    yield return $"{owner}.{match.Groups[2].Value}";
            }
        }
    }

    private static IEnumerable<(string Path, string Text)> Sources(string folder)
        => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories)
            .Where(path => !BuildFolder().IsMatch(Path.GetRelativePath(Root, path)))
            .Select(path => (path, File.ReadAllText(path)));

    private static bool ExistsInRoot(string path) => Path.Exists(Path.Combine(Root, path));

    private static Dictionary<string, Markdown> ReadPages()
        => Directory.EnumerateFiles(Root, "*.md")
            .Concat(Directory.EnumerateFiles(Path.Combine(Root, "docs"), "*.md", SearchOption.AllDirectories))
            .Select(path => new Markdown(Path.GetRelativePath(Root, path), File.ReadAllText(path)))
            .ToDictionary(page => page.Path);

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "PacketMQ.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("The tests do not run inside the repository.");
    }

    [GeneratedRegex(@"^ +[A-Z]*")]
    private static partial Regex FrameName();

    [GeneratedRegex("""protocol, "[A-Z][^<.]*""")]
    private static partial Regex Citation();

    [GeneratedRegex(@"\r?\n\s*///? ?")]
    private static partial Regex NextCommentLine();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"^(?:\s*(?:public|internal) .*\bclass (\w+)|    public (?:static )?(?:async )?(?:void|Task|ValueTask) (\w+)\()", RegexOptions.Multiline)]
    private static partial Regex ClassOrTest();

    [GeneratedRegex(@"(^|[\\/])(bin|obj)[\\/]")]
    private static partial Regex BuildFolder();
}
