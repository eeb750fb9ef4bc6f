using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PacketMQ.Tool.Json;

/// <summary>Dynamic values to JSON. <see cref="ValueReader"/> makes equal values of it again, but for two things: bytes that are text become a string, a float a double.</summary>
internal static class ValueWriter
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Makes one line of JSON.</summary>
    public static string Write(object? value) => JsonText.Create(json => Write(json, value));

    /// <summary>Writes a value where a JSON value can stand.</summary>
    public static void Write(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null: json.WriteNullValue(); break;
            case bool flag: json.WriteBooleanValue(flag); break;
            case long number: json.WriteNumberValue(number); break;
            case ulong number: json.WriteNumberValue(number); break;
            case float number: WriteDouble(json, number); break;
            case double number: WriteDouble(json, number); break;
            case string text: json.WriteStringValue(text); break;
            case byte[] bytes: WriteBytes(json, bytes); break;
            case DateTime time: WriteForm(json, ValueForms.Time, time.ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFFZ", CultureInfo.InvariantCulture)); break;
            case PacketExtension extension: WriteExtension(json, extension); break;
            case PacketMap map: WriteMap(json, map); break;
            case object?[] items: WriteArray(json, items); break;
            default: throw new ArgumentException($"A {value.GetType()} is no dynamic value.", nameof(value));
        }
    }

    private static void WriteDouble(Utf8JsonWriter json, double number)
    {
        if (!double.IsFinite(number))
        {
            WriteForm(json, ValueForms.Float, number.ToString(CultureInfo.InvariantCulture));
            return;
        }

        // 1.0 is no integer for a peer, so it does not become 1 here.
        string text = number.ToString("R", CultureInfo.InvariantCulture);
        json.WriteRawValue(text.AsSpan().ContainsAny('.', 'E') ? text : text + ".0", skipInputValidation: true);
    }

    private static void WriteBytes(Utf8JsonWriter json, byte[] bytes)
    {
        if (TryGetText(bytes) is { } text)
            json.WriteStringValue(text);
        else
            WriteForm(json, ValueForms.Binary, Convert.ToBase64String(bytes));
    }

    private static void WriteExtension(Utf8JsonWriter json, PacketExtension extension)
    {
        json.WriteStartObject();
        json.WriteNumber(ValueForms.Extension, extension.TypeCode);
        json.WriteBase64String(ValueForms.ExtensionData, extension.Data.Span);
        json.WriteEndObject();
    }

    private static void WriteMap(Utf8JsonWriter json, PacketMap map)
    {
        bool isPlain = map.Keys.All(key => TryGetText(key) is { } text && !text.StartsWith('$'));
        json.WriteStartObject();
        if (isPlain)
        {
            foreach ((object key, object? value) in map)
            {
                json.WritePropertyName(TryGetText(key)!);
                Write(json, value);
            }
        }
        else
        {
            json.WriteStartArray(ValueForms.Map);
            foreach ((object key, object? value) in map)
            {
                json.WriteStartArray();
                Write(json, key);
                Write(json, value);
                json.WriteEndArray();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteArray(Utf8JsonWriter json, object?[] items)
    {
        json.WriteStartArray();
        foreach (object? item in items)
            Write(json, item);
        json.WriteEndArray();
    }

    private static void WriteForm(Utf8JsonWriter json, string form, string content)
    {
        json.WriteStartObject();
        json.WriteString(form, content);
        json.WriteEndObject();
    }

    private static string? TryGetText(object value) => value switch
    {
        string text => text,
        byte[] bytes => TryGetText(bytes),
        _ => null,
    };

    /// <summary>Python 2 peers send their text as bytes. Text is what is UTF-8 and has no control characters but line breaks and tabs.</summary>
    private static string? TryGetText(byte[] bytes)
    {
        try
        {
            string text = StrictUtf8.GetString(bytes);
            return text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t')) ? null : text;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
