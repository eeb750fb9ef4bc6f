using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PacketMQ.Tool.Json;

/// <summary>Writes JSON for terminals and scripts: one line, readable in all languages, and nothing in it that a terminal obeys.</summary>
internal static class JsonText
{
    // "Unsafe" means inside HTML. It escapes quotes, backslashes and control characters, which is what counts here.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Makes the text of one value.</summary>
    public static string Create(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Options))
            write(writer);
        return EscapeFormatCharacters(Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    /// <summary>Escapes what changes the direction or the visibility of the text around it. In JSON it can stand in strings only.</summary>
    private static string EscapeFormatCharacters(string json)
    {
        if (Ascii.IsValid(json))
            return json;
        var escaped = new StringBuilder(json.Length + 16);
        foreach (char c in json)
        {
            if (char.GetUnicodeCategory(c) is UnicodeCategory.Format or UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator)
                escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }
}
