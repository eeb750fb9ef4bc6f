using Spectre.Console;

namespace PacketMQ.Tool.Output;

/// <summary>Prints lines for people: in colours on a terminal, plain otherwise, and never wrapped.</summary>
internal sealed class Screen
{
    private readonly TextWriter _output;
    private readonly IAnsiConsole? _colours;

    /// <summary>Looks at what it prints on.</summary>
    public Screen(Surroundings surroundings)
    {
        _output = surroundings.Output;
        IsLive = surroundings.IsTerminal;
        // https://no-color.org: set and not empty.
        if (surroundings.IsTerminal && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")))
            _colours = CreateColours(_output);
    }

    /// <summary>While it is held, nobody else's lines are printed.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Whether a person watches the lines appear.</summary>
    public bool IsLive { get; }

    /// <summary>Prints a line.</summary>
    /// <param name="parts">Its parts; none has characters that could control a terminal.</param>
    public void WriteLine(params ReadOnlySpan<(string Text, Style? Style)> parts)
    {
        lock (Gate)
        {
            foreach ((string text, Style? style) in parts)
            {
                if (_colours is not null && style is not null)
                    _colours.Write(text, style);
                else
                    _output.Write(text);
            }

            _output.WriteLine();
            _output.Flush();
        }
    }

    private static IAnsiConsole CreateColours(TextWriter output)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(output),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        console.Profile.Width = 1_000_000; // the terminal wraps better than we do: copied text stays whole
        return console;
    }
}
