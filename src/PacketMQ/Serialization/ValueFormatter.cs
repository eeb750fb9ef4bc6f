using System.Buffers;
using System.Collections;
using System.Globalization;
using System.Text;

namespace PacketMQ.Serialization;

/// <summary>
/// A value as one line for people, close to JSON: <c>{"foo": "bar", 123: null, "raw": b"abc", "more": h'0a0b'}</c>. The text has no
/// line breaks and nothing that a terminal would obey, whoever chose the value.
/// </summary>
internal static class ValueFormatter
{
    private const int MaxDepth = 64;
    private const int MaxBytesShown = 64;

    /// <param name="value">A dynamic value, or any object: what is no dynamic value shows its own <see cref="object.ToString"/>.</param>
    /// <param name="maxLength">After this many characters the text ends in three dots.</param>
    public static string Format(object? value, int maxLength = 4_096)
    {
        var text = new BoundedText(maxLength);
        try
        {
            AppendValue(text, value, MaxDepth);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // A user's ToString or enumerator; showing a value must not be what breaks its handling.
            text.Append("(").AppendEscaped(e.GetType().ToString()).Append(")");
        }

        return text.ToString();
    }

    private static void AppendValue(BoundedText text, object? value, int depth)
    {
        switch (value)
        {
            case null: text.Append("null"); break;
            case string content: text.Append("\"").AppendEscaped(content).Append("\""); break;
            case bool flag: text.Append(flag ? "true" : "false"); break;
            case float number: text.Append(WithPoint(number.ToString("R", CultureInfo.InvariantCulture))); break;
            case double number: text.Append(WithPoint(number.ToString("R", CultureInfo.InvariantCulture))); break;
            case DateTime time: text.Append(time.ToString("O", CultureInfo.InvariantCulture)); break;
            case DateTimeOffset time: text.Append(time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture)); break;
            case byte[] bytes when bytes.GetType() == typeof(byte[]): AppendBytes(text, bytes); break;
            case ReadOnlyMemory<byte> bytes: AppendBytes(text, bytes.Span); break;
            case Memory<byte> bytes: AppendBytes(text, bytes.Span); break;
            case ArraySegment<byte> bytes: AppendBytes(text, bytes); break;
            case ReadOnlySequence<byte> bytes: AppendBytes(text, bytes.ToArray()); break;
            case PacketExtension extension:
                text.Append(string.Create(CultureInfo.InvariantCulture, $"ext({extension.TypeCode}, "));
                AppendHex(text, extension.Data.Span);
                text.Append(")");
                break;
            case IDictionary or IEnumerable when depth == 0: text.Append("..."); break;
            case IDictionary map: AppendMap(text, Entries(map), depth - 1); break;
            case IEnumerable<KeyValuePair<string, object?>> pairs:
                AppendMap(text, pairs.Select(pair => ((object?)pair.Key, pair.Value)), depth - 1);
                break;
            case IEnumerable<KeyValuePair<object, object?>> pairs:
                AppendMap(text, pairs.Select(pair => ((object?)pair.Key, pair.Value)), depth - 1);
                break;
            case IEnumerable items: AppendArray(text, items, depth - 1); break;
            case IFormattable formattable: text.AppendEscaped(formattable.ToString(null, CultureInfo.InvariantCulture)); break;
            default: text.AppendEscaped(value.ToString()); break;
        }
    }

    private static void AppendMap(BoundedText text, IEnumerable<(object? Key, object? Value)> entries, int depth)
    {
        text.Append("{");
        bool first = true;
        foreach ((object? key, object? value) in entries)
        {
            if (text.IsFull)
                return;
            text.Append(first ? "" : ", ");
            first = false;
            AppendValue(text, key, depth);
            text.Append(": ");
            AppendValue(text, value, depth);
        }

        text.Append("}");
    }

    private static void AppendArray(BoundedText text, IEnumerable items, int depth)
    {
        text.Append("[");
        bool first = true;
        foreach (object? item in items)
        {
            if (text.IsFull)
                return;
            text.Append(first ? "" : ", ");
            first = false;
            AppendValue(text, item, depth);
        }

        text.Append("]");
    }

    private static IEnumerable<(object? Key, object? Value)> Entries(IDictionary map)
    {
        foreach (DictionaryEntry entry in map)
            yield return (entry.Key, entry.Value);
    }

    private static void AppendBytes(BoundedText text, ReadOnlySpan<byte> bytes)
    {
        if (IsPrintable(bytes))
            text.Append("b\"").AppendEscaped(Encoding.UTF8.GetString(bytes)).Append("\"");
        else
            AppendHex(text, bytes);
    }

    private static void AppendHex(BoundedText text, ReadOnlySpan<byte> bytes)
    {
        bool cut = bytes.Length > MaxBytesShown;
        text.Append("h'").Append(Convert.ToHexStringLower(cut ? bytes[..MaxBytesShown] : bytes)).Append(cut ? "...'" : "'");
    }

    private static bool IsPrintable(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int length) != OperationStatus.Done || !BoundedText.IsPrintable(rune))
                return false;
            bytes = bytes[length..];
        }

        return true;
    }

    /// <summary>1.0 and not 1, so that a float does not look like an integer.</summary>
    private static string WithPoint(string number) => number.AsSpan().ContainsAnyExcept("-0123456789") ? number : number + ".0";
}
