using System.Globalization;
using System.Text;
using System.Text.Json;

namespace PacketMQ.Tool.Json;

/// <summary>
/// JSON to dynamic values. An object becomes a map with string keys, a number without fraction and exponent an integer if it fits
/// (else a double); what JSON lacks has the forms of <see cref="ValueForms"/>.
/// </summary>
internal static class ValueReader
{
    /// <summary>The most JSON that is read: several times what fits into a packet, however it is written.</summary>
    public const int MaxBytes = 1_048_576;

    /// <summary>The forms in two sentences, for the help.</summary>
    public const string Description =
        """What JSON lacks is written as {"$bin":"<base64>"}, {"$ext":5,"data":"<base64>"}, {"$time":"2026-01-31T12:00:00Z"}, """
        + """{"$float":"NaN"} and, for keys that are not text, {"$map":[[123,null]]}; values that arrive are printed likewise. """
        + "Bytes that are text are printed as text, as Python 2 sends its strings so.";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads one value.</summary>
    /// <exception cref="FormatException">It is none; the message is the sentence for the user.</exception>
    public static object? Read(string json)
    {
        try
        {
            return Read(StrictUtf8.GetBytes(json));
        }
        catch (EncoderFallbackException)
        {
            throw new FormatException("The value is not JSON: it has half of a surrogate pair.");
        }
    }

    /// <summary>Reads one value from a stream, to its end.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static async Task<object?> ReadAsync(Stream stream)
    {
        byte[] bytes = new byte[MaxBytes + 1];
        int length = await stream.ReadAtLeastAsync(bytes, bytes.Length, throwOnEndOfStream: false);
        ReadOnlyMemory<byte> json = bytes.AsMemory(0, length);
        return Read(json.Span.StartsWith(Encoding.UTF8.Preamble) ? json[Encoding.UTF8.Preamble.Length..] : json);
    }

    private static object? Read(ReadOnlyMemory<byte> json)
    {
        if (json.Length > MaxBytes)
            throw new FormatException($"The value has more than {MaxBytes} bytes of JSON.");
        try
        {
            // Depth is counted below, where the error can name the limit.
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = MaxBytes + 1 });
            return Read(document.RootElement, 0);
        }
        catch (JsonException exception)
        {
            throw new FormatException(
                $"The value is not JSON, see line {exception.LineNumber + 1}, byte {exception.BytePositionInLine + 1}; "
                + """text needs quotes, as in '"hello"'.""");
        }
    }

    private static object? Read(JsonElement element, int depth) => element.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        JsonValueKind.Number => ReadNumber(element.GetRawText()),
        JsonValueKind.String => ReadText(element),
        JsonValueKind.Array => ReadArray(element, Deeper(depth)),
        _ => ReadObject(element, Deeper(depth)),
    };

    private static object ReadNumber(string text)
    {
        if (!text.AsSpan().ContainsAny('.', 'e', 'E'))
        {
            if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long integer))
                return integer;
            if (ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong large))
                return large;
        }

        double number = double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);
        return double.IsFinite(number) ? number : throw new FormatException($"The number {Shorten(text)} is too large for a double.");
    }

    private static object?[] ReadArray(JsonElement element, int depth)
    {
        var items = new object?[element.GetArrayLength()];
        int i = 0;
        foreach (JsonElement item in element.EnumerateArray())
            items[i++] = Read(item, depth);
        return items;
    }

    private static object? ReadObject(JsonElement element, int depth)
    {
        var pairs = new Dictionary<object, object?>();
        foreach (JsonProperty property in element.EnumerateObject())
        {
            string name = ReadName(property);
            if (name.StartsWith('$'))
                return ReadForm(element, name, property.Value, depth);
            if (!pairs.TryAdd(name, Read(property.Value, depth)))
                throw Twice(name);
        }

        return PacketMap.Create(pairs);
    }

    private static object? ReadForm(JsonElement element, string form, JsonElement content, int depth)
    {
        if (element.GetPropertyCount() == (form == ValueForms.Extension ? 2 : 1))
        {
            switch (form)
            {
                case ValueForms.Binary: return ReadBytes(content, form);
                case ValueForms.Extension: return ReadExtension(element, content);
                case ValueForms.Time: return ReadTime(content);
                case ValueForms.Float: return ReadFloat(content);
                case ValueForms.Map: return ReadMap(content, depth);
            }
        }

        throw new FormatException(
            $"The object with the key '{Shorten(form)}' is none of the forms $bin, $ext, $time, $float and $map; "
            + """a map with such a key of its own is written as {"$map":[["$key",1]]}.""");
    }

    private static byte[] ReadBytes(JsonElement content, string form)
        => content.ValueKind == JsonValueKind.String && content.TryGetBytesFromBase64(out byte[]? bytes)
            ? bytes
            : throw new FormatException($"The bytes of {form} are not base64 in quotes.");

    private static object ReadExtension(JsonElement element, JsonElement code)
    {
        if (code.ValueKind != JsonValueKind.Number || !code.TryGetSByte(out sbyte typeCode))
            throw new FormatException("The code of $ext is not a number from -128 to 127.");
        return element.TryGetProperty(ValueForms.ExtensionData, out JsonElement data)
            ? new PacketExtension(typeCode, ReadBytes(data, ValueForms.Extension))
            : throw new FormatException("$ext has no 'data' beside it.");
    }

    private static object ReadTime(JsonElement content)
        => content.ValueKind == JsonValueKind.String && content.TryGetDateTime(out DateTime time) && time.Kind != DateTimeKind.Unspecified
            ? time.ToUniversalTime()
            : throw new FormatException("The time of $time is not ISO 8601 with an offset, such as 2026-01-31T12:00:00Z.");

    private static object ReadFloat(JsonElement content) => (content.ValueKind == JsonValueKind.String ? ReadText(content) : null) switch
    {
        "NaN" => double.NaN,
        "Infinity" => double.PositiveInfinity,
        "-Infinity" => double.NegativeInfinity,
        _ => throw new FormatException("$float is not one of NaN, Infinity and -Infinity."),
    };

    private static PacketMap ReadMap(JsonElement content, int depth)
    {
        if (content.ValueKind != JsonValueKind.Array)
            throw NoPairs();
        var pairs = new Dictionary<object, object?>(content.GetArrayLength(), PacketMap.KeyComparer);
        foreach (JsonElement pair in content.EnumerateArray())
        {
            if (pair.ValueKind != JsonValueKind.Array || pair.GetArrayLength() != 2)
                throw NoPairs();
            object key = Read(pair[0], depth) ?? throw new FormatException("A key of $map is null; a key is text, a number, a bool, bytes, a time or an extension.");
            if (!pairs.TryAdd(key, Read(pair[1], depth)))
                throw Twice(pair[0].GetRawText());
        }

        return PacketMap.Create(pairs);
    }

    private static string ReadText(JsonElement element)
    {
        try
        {
            return element.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw HalfOfAPair();
        }
    }

    private static string ReadName(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw HalfOfAPair();
        }
    }

    private static int Deeper(int depth) => depth < ValueForms.MaxDepth
        ? depth + 1
        : throw new FormatException($"The value nests deeper than {ValueForms.MaxDepth} arrays and objects.");

    private static FormatException HalfOfAPair() => new("The value has a string with half of a surrogate pair, which UTF-8 has no bytes for.");

    private static FormatException NoPairs() => new("The content of $map is not an array of [key, value] pairs.");

    private static FormatException Twice(string key) => new($"The key '{Shorten(key)}' stands twice in one object.");

    private static string Shorten(string text) => text.Length <= 64 ? text : text[..64] + "...";
}
