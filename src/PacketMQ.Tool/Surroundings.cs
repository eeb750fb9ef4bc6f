namespace PacketMQ.Tool;

/// <summary>What a command reads from and writes to, so that tests can give it something else than the console.</summary>
/// <param name="Input">Standard input.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
/// <param name="IsTerminal">Whether a person sees <paramref name="Output"/> at once; then it may have colours.</param>
internal sealed record Surroundings(Stream Input, TextWriter Output, TextWriter Error, bool IsTerminal)
{
    /// <summary>The clock of all time-outs.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>How many columns the terminal has now.</summary>
    public Func<int> GetWidth { get; init; } = () => 80;
}
