using System.Globalization;
using System.Net;
using System.Text;

namespace PacketMQ;

/// <summary>Makes text that a peer chose safe to print: no control characters, no escape sequences, bounded in length.</summary>
internal static class PrintableText
{
    /// <summary>
    /// An address, to be printed: a client chooses the path that its end of a Unix domain socket is bound to. Most have none there, and an attached
    /// stream has no address at all.
    /// </summary>
    public static string Of(EndPoint? endPoint) => endPoint?.ToString() is { Length: > 0 } text ? Escape(text) : "an unnamed end";

    /// <summary>Escapes whatever is not printable ASCII as <c>\xNN</c> or <c>\uNNNN</c> and cuts the result off.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="maxLength">How many characters of <paramref name="text"/> are shown.</param>
    public static string Escape(ReadOnlySpan<char> text, int maxLength = 256)
    {
        bool cut = text.Length > maxLength;
        if (cut)
            text = text[..maxLength];
        if (!cut && !text.ContainsAnyExceptInRange(' ', '~'))
            return text.ToString();
        var escaped = new StringBuilder(text.Length + 16);
        foreach (char c in text)
        {
            if (c is >= ' ' and <= '~')
                escaped.Append(c);
            else if (c < 0x100)
                escaped.Append("\\x").Append(((int)c).ToString("x2", CultureInfo.InvariantCulture));
            else
                escaped.Append("\\u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
        }

        return cut ? escaped.Append("...").ToString() : escaped.ToString();
    }
}
