using Spectre.Console;

namespace PacketMQ.Tool.Output;

/// <summary>Which colour means what, everywhere. The first sixteen only: those every terminal shows as its owner likes them.</summary>
internal static class Colours
{
    /// <summary>A title.</summary>
    public static readonly Style Title = new(decoration: Decoration.Bold);

    /// <summary>A packet's name, an address.</summary>
    public static readonly Style Name = new(Color.Teal);

    /// <summary>What can be skipped.</summary>
    public static readonly Style Aside = new(Color.Grey);

    /// <summary>A beginning.</summary>
    public static readonly Style Good = new(Color.Green);

    /// <summary>An end.</summary>
    public static readonly Style End = new(Color.Olive);

    /// <summary>A failure.</summary>
    public static readonly Style Bad = new(Color.Maroon);

    /// <summary>The server speaks.</summary>
    public static readonly Style Server = new(Color.Purple);

    /// <summary>The client speaks.</summary>
    public static readonly Style Client = new(Color.Navy, decoration: Decoration.Bold);

    /// <summary>Bytes.</summary>
    public static readonly Style Bytes = new(Color.Olive);
}
