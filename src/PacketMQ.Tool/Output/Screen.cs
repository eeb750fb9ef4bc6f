using Spectre.Console;

namespace PacketMQ.Tool.Output;

/// <summary>Prints lines for people: in colours on a terminal, plain otherwise, and never wrapped.</summary>
internal sealed class Screen
{
    private const int EchoOfCtrlC = 2; // the terminal writes ^C behind the status

    private readonly TextWriter _output;
    private readonly IAnsiConsole? _colours;
    private readonly Func<int> _getWidth;
    private int _statusLength;

    /// <summary>Looks at what it prints on.</summary>
    public Screen(Surroundings surroundings)
    {
        _output = surroundings.Output;
        _getWidth = surroundings.GetWidth;
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
            EraseStatus();
            foreach ((string text, Style? style) in parts)
                Write(text, style);
            _output.WriteLine();
            _output.Flush();
        }
    }

    /// <summary>On a terminal: shows a line, cut to its width, that stays until the next line or status takes its place.</summary>
    /// <param name="parts">As in <see cref="WriteLine"/>.</param>
    public void ShowStatus(params ReadOnlySpan<(string Text, Style? Style)> parts)
    {
        if (!IsLive)
            return;
        lock (Gate)
        {
            int room = Math.Max(0, _getWidth() - 1 - EchoOfCtrlC); // in the last column some terminals wrap
            int length = 0;
            _output.Write('\r');
            foreach ((string text, Style? style) in parts)
            {
                string shown = text.Length <= room - length ? text : text[..(room - length)];
                Write(shown, style);
                length += shown.Length;
            }

            // Blanks rather than a control sequence: they work on every terminal.
            _output.Write(new string(' ', Math.Max(0, Math.Min(_statusLength, room) - length)));
            _statusLength = length;
            _output.Flush();
        }
    }

    /// <summary>Takes the status away.</summary>
    public void ClearStatus()
    {
        lock (Gate)
        {
            EraseStatus();
            _output.Flush();
        }
    }

    private void EraseStatus()
    {
        if (_statusLength == 0)
            return;
        int length = Math.Min(_statusLength + EchoOfCtrlC, Math.Max(0, _getWidth() - 1));
        _output.Write($"\r{new string(' ', length)}\r");
        _statusLength = 0;
    }

    private void Write(string text, Style? style)
    {
        if (_colours is not null && style is not null)
            _colours.Write(text, style);
        else
            _output.Write(text);
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
