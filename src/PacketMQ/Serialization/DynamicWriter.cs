using System.Buffers;
using System.Collections;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Writes one dynamic value: walks it and knows, for the message of a refusal, where it is.</summary>
internal ref struct DynamicWriter
{
    private const string Allowed =
        "null, bool, integers up to 64 bits, float, double, string, byte[] and byte memory, DateTime and DateTimeOffset, "
        + "PacketExtension, dictionaries and enumerables";

    /// <summary>How many elements of an enumerable without a count are gathered; one that never ends must end somewhere.</summary>
    private const int MaxUncounted = 16_777_216;

    private ValuePath _path;

    private DynamicWriter(int maxDepth) => _path = new ValuePath(maxDepth);

    public static void Write(ref MessagePackWriter writer, object? value, int maxDepth)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maxDepth);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(maxDepth, DynamicCodec.MaxDepth);
        var walk = new DynamicWriter(maxDepth);
        try
        {
            walk.WriteValue(ref writer, value);
        }
        catch (Exception e) when (e is not (PacketException or OutOfMemoryException))
        {
            // The walk runs foreign code: enumerators, counts, their disposal.
            throw new PacketException(
                $"Reading the value{walk._path} failed with {e.GetType()}: {PrintableText.Escape(e.Message)}", e);
        }
        finally
        {
            walk._path.Dispose();
        }
    }

    private void WriteValue(ref MessagePackWriter writer, object? value)
    {
        if (TryWriteScalar(ref writer, value))
            return;
        switch (value)
        {
            case PacketMap map:
                WriteMap(ref writer, map);
                break;
            case IDictionary map:
                WriteMap(ref writer, map);
                break;
            case IEnumerable<KeyValuePair<string, object?>> pairs:
                WritePairs(ref writer, pairs);
                break;
            case IEnumerable<KeyValuePair<object, object?>> pairs:
                WritePairs(ref writer, pairs);
                break;
            case object?[] items:
                WriteArray(ref writer, items);
                break;
            case Array { Rank: > 1 } array:
                throw Refusal($"An array of {array.Rank} dimensions can't be sent", "use an array of arrays");
            case IEnumerable items:
                WriteArray(ref writer, items);
                break;
            default:
                throw Unknown(value!);
        }
    }

    private readonly bool TryWriteScalar(ref MessagePackWriter writer, object? value)
    {
        switch (value)
        {
            case null: writer.WriteNil(); return true;
            case string text:
                return Utf8Text.TryWrite(ref writer, text)
                    ? true
                    : throw Refusal($"The string {ValueFormatter.Format(text, 64)} has half of a surrogate pair", "UTF-8 has no bytes for it");
            case bool flag: writer.Write(flag); return true;
            case int number: writer.Write(number); return true;
            case long number: writer.Write(number); return true;
            case double number: writer.Write(number); return true;
            case float number: writer.Write(number); return true;
            case ulong number: writer.Write(number); return true;
            case uint number: writer.Write(number); return true;
            case short number: writer.Write(number); return true;
            case ushort number: writer.Write(number); return true;
            case byte number: writer.Write(number); return true;
            case sbyte number: writer.Write(number); return true;
            // The runtime takes an sbyte[] and the arrays of some enums for a byte[] too.
            case byte[] bytes when bytes.GetType() == typeof(byte[]): writer.Write(bytes); return true;
            case ReadOnlyMemory<byte> bytes: writer.Write(bytes.Span); return true;
            case Memory<byte> bytes: writer.Write(bytes.Span); return true;
            case ArraySegment<byte> bytes: writer.Write(bytes.AsSpan()); return true;
            case ReadOnlySequence<byte> bytes: writer.Write(bytes); return true;
            case DateTimeOffset time: writer.Write(time.UtcDateTime); return true;
            case DateTime { Kind: DateTimeKind.Unspecified }:
                throw Refusal("A DateTime of unspecified kind can't be sent", "give it the kind Utc or Local");
            case DateTime time: writer.Write(time.ToUniversalTime()); return true;
            case PacketExtension { TypeCode: Timestamp.TypeCode } extension when !Timestamp.IsValid(extension.Data.Span):
                throw Refusal($"{extension} can't be sent", "an extension of type -1 is a timestamp of 4, 8 or 12 bytes");
            case PacketExtension extension: writer.Write(new Extension(extension.TypeCode, extension.Data)); return true;
            default: return false;
        }
    }

    // Never changes, and its keys differ as its receiver will compare them.
    private void WriteMap(ref MessagePackWriter writer, PacketMap map)
    {
        Enter(map);
        writer.WriteMapHeader(map.Count);
        foreach ((object key, object? value) in map)
            WriteEntry(ref writer, key, value);
        _path.Leave();
    }

    private void WriteMap(ref MessagePackWriter writer, IDictionary map)
    {
        int count = map.Count;
        Enter(map);
        writer.WriteMapHeader(count);
        Type? keyType = null;
        bool mixed = false;
        int written = 0;
        IDictionaryEnumerator entries = map.GetEnumerator();
        using (entries as IDisposable)
        {
            while (entries.MoveNext())
            {
                if (written++ == count)
                    break;
                WriteEntry(ref writer, entries.Key, entries.Value);
                keyType ??= entries.Key.GetType();
                mixed |= keyType != entries.Key.GetType();
            }
        }

        _path.Leave();
        // A dictionary's keys differ for itself, but not always for the receiver, which would end the connection: 1 and 1L, two arrays
        // of equal bytes. Among keys of one simple type there is no doubt.
        bool distinct = !mixed && (keyType is null || keyType == typeof(string) || keyType.IsPrimitive);
        if (!distinct && map is not Dictionary<object, object?> { Comparer: DynamicKeyComparer })
        {
            var seen = new DistinctKeys();
            foreach (object key in map.Keys)
                AddKey(ref seen, key);
        }

        if (written != count)
            throw Changed(map, count);
    }

    private void WritePairs<TKey>(ref MessagePackWriter writer, IEnumerable<KeyValuePair<TKey, object?>> pairs)
        where TKey : class
    {
        IReadOnlyCollection<KeyValuePair<TKey, object?>> counted =
            pairs as IReadOnlyCollection<KeyValuePair<TKey, object?>> ?? Gather(pairs, pairs);
        int count = counted.Count;
        Enter(pairs);
        writer.WriteMapHeader(count);
        var seen = new DistinctKeys();
        int written = 0;
        foreach ((TKey key, object? value) in counted)
        {
            if (written++ == count)
                break;
            WriteEntry(ref writer, key, value);
            AddKey(ref seen, key);
        }

        _path.Leave();
        if (written != count)
            throw Changed(pairs, count);
    }

    private void WriteEntry(ref MessagePackWriter writer, object? key, object? value)
    {
        if (key is null)
            throw Refusal("A map's key is null", "keys are bools, numbers, strings, bytes, times and extensions");
        _path.AtKey(key);
        if (!TryWriteScalar(ref writer, key))
            throw Refusal($"A map's key is a {key.GetType()}", "keys are bools, numbers, strings, bytes, times and extensions");
        WriteValue(ref writer, value);
    }

    private void WriteArray(ref MessagePackWriter writer, object?[] items)
    {
        Enter(items);
        writer.WriteArrayHeader(items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            _path.AtIndex(i);
            WriteValue(ref writer, items[i]);
        }

        _path.Leave();
    }

    private void WriteArray(ref MessagePackWriter writer, IEnumerable items)
    {
        ICollection counted = items as ICollection ?? Gather(items.Cast<object?>(), items);
        int count = counted.Count;
        Enter(items);
        writer.WriteArrayHeader(count);
        int written = 0;
        foreach (object? item in counted)
        {
            if (written++ == count)
                break;
            _path.AtIndex(written - 1);
            WriteValue(ref writer, item);
        }

        _path.Leave();
        if (written != count)
            throw Changed(items, count);
    }

    private void Enter(object container)
    {
        if (!_path.TryEnter())
        {
            throw Refusal(
                $"A {container.GetType()} nests deeper than the limit of {_path.MaxDepth} arrays and maps", "a value that contains itself never ends");
        }
    }

    private readonly List<T> Gather<T>(IEnumerable<T> items, object source)
    {
        var gathered = new List<T>();
        foreach (T item in items)
        {
            if (gathered.Count == MaxUncounted)
                throw Refusal($"A {source.GetType()} has more than {MaxUncounted} elements", "send it in parts");
            gathered.Add(item);
        }

        return gathered;
    }

    private readonly void AddKey(ref DistinctKeys seen, object key)
    {
        if (!seen.Add(key))
            throw Refusal($"A map has the key {ValueFormatter.Format(key, 64)} twice", "a string and its UTF-8 bytes are one key, and so are equal numbers");
    }

    private readonly PacketException Changed(object container, int count)
        => Refusal($"A {container.GetType()} did not have the {count} elements that it counted", "it must not change while it is being sent");

    private readonly PacketException Unknown(object value)
    {
        string what = value is Enum ? "An enum" : "A value";
        return Refusal($"{what} of the type {value.GetType()} can't be sent", $"allowed are {Allowed}");
    }

    private readonly PacketException Refusal(string what, string rule) => new($"{what}{_path}; {rule}.");
}
