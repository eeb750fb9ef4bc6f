using System.Collections.Immutable;
using System.Text;

namespace PacketMQ.Tool.Output;

/// <summary>The wording that several commands share.</summary>
internal static class Sentence
{
    private const int MaxListed = 20;

    /// <summary>Tells why a connection could not be made or has ended, as an error.</summary>
    public static string ForEnd(CloseInfo closeInfo)
    {
        string what = closeInfo.Reason == CloseReason.Unreachable ? "Not connected" : "The connection ended";
        var sentence = new StringBuilder($"{what}, {ForReason(closeInfo)}");
        if (!closeInfo.MissingHere.IsEmpty)
            sentence.Append(" Only the other side has ").Append(List(closeInfo.MissingHere)).Append('.');
        if (!closeInfo.MissingThere.IsEmpty)
            sentence.Append(" Only this side has ").Append(List(closeInfo.MissingThere)).Append('.');
        return sentence.ToString();
    }

    /// <summary>Reason, initiator and description.</summary>
    public static string ForReason(CloseInfo closeInfo)
        => OnOneLine($"{closeInfo.Reason} ({ForInitiator(closeInfo.Initiator)}): {closeInfo.Description}");

    /// <summary>The initiator in a word: also the value of the JSON field.</summary>
    public static string ForInitiator(CloseInitiator initiator) => initiator switch
    {
        CloseInitiator.Local => "local",
        CloseInitiator.Remote => "remote",
        _ => "transport",
    };

    /// <summary>Some names, the first twenty of them.</summary>
    public static string List(ImmutableArray<string> names) => names.Length <= MaxListed
        ? string.Join(", ", names)
        : $"{string.Join(", ", names.AsSpan(0, MaxListed).ToArray())} and {names.Length - MaxListed} more";

    /// <summary>The message without what .NET adds to it: the parameter's name and value mean nothing to a user of the command.</summary>
    public static string WithoutParameterName(ArgumentException exception)
    {
        int end = exception.ParamName is null ? -1 : exception.Message.IndexOf($" (Parameter '{exception.ParamName}')", StringComparison.Ordinal);
        return end < 0 ? exception.Message : exception.Message[..end];
    }

    /// <summary>The text with whatever controls a terminal escaped; errors of the system may have line breaks.</summary>
    public static string OnOneLine(string text)
    {
        if (!text.Any(char.IsControl))
            return text;
        var line = new StringBuilder(text.Length + 16);
        foreach (char c in text)
        {
            if (char.IsControl(c))
                line.Append(c is '\n' or '\r' ? " " : $"\\x{(int)c:x2}");
            else
                line.Append(c);
        }

        return line.ToString();
    }
}
