using System.Buffers;
using System.Globalization;
using System.Text;

namespace PacketMQ.Serialization;

/// <summary>Text for people that grows to a limit and then says so. Strings come in escaped: what a terminal would obey never passes.</summary>
internal sealed class BoundedText(int maxLength)
{
    private static readonly SearchValues<char> PlainAscii =
        SearchValues.Create(" !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    private readonly StringBuilder _text = new();

    public bool IsFull { get; private set; }

    /// <summary>Appends text that this library made itself.</summary>
    public BoundedText Append(ReadOnlySpan<char> text)
    {
        int room = maxLength - _text.Length;
        if (IsFull || text.Length <= room)
        {
            if (!IsFull)
                _text.Append(text);
            return this;
        }

        if (room > 0 && char.IsHighSurrogate(text[room - 1]))
            room--;
        _text.Append(text[..room]).Append("...");
        IsFull = true;
        return this;
    }

    /// <summary>Appends foreign text with JSON's escapes for quotes, controls, format and bidi characters, odd spaces and what Unicode does not know.</summary>
    public BoundedText AppendEscaped(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty && !IsFull)
        {
            int plain = text.IndexOfAnyExcept(PlainAscii);
            if (plain != 0)
            {
                plain = plain < 0 ? text.Length : plain;
                Append(text[..plain]);
                text = text[plain..];
                continue;
            }

            bool whole = Rune.DecodeFromUtf16(text, out Rune rune, out int length) == OperationStatus.Done;
            if (rune.Value is '"' or '\\' && whole)
                Append("\\").Append(text[..1]);
            else if (whole && IsPrintable(rune))
                Append(text[..length]);
            else
                AppendCodeUnits(text[..length]);
            text = text[length..];
        }

        return this;
    }

    public override string ToString() => _text.ToString();

    /// <summary>Letters, marks, digits, punctuation, symbols and the plain space.</summary>
    public static bool IsPrintable(Rune rune)
    {
        if (rune.IsAscii)
            return rune.Value is >= ' ' and <= '~';
        return Rune.GetUnicodeCategory(rune)
            is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
                or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.SpaceSeparator);
    }

    private void AppendCodeUnits(ReadOnlySpan<char> units)
    {
        foreach (char unit in units)
        {
            Append(unit switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)unit:x4}"),
            });
        }
    }
}
