using System.Buffers;
using System.Text;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Reads one dynamic value. Recursive: the wire has bounded the depth, and <c>depth</c> does so once more.</summary>
/// <param name="allowance">What the objects take is taken from it first.</param>
internal struct DynamicReader(DynamicAllowance allowance)
{
    private DynamicAllowance _allowance = allowance;
    private KeyCache _keys;

    /// <summary>What is left of it.</summary>
    public readonly DynamicAllowance Allowance => _allowance;

    public object? Read(ref MessagePackReader reader, int depth)
    {
        try
        {
            return ReadValue(ref reader, depth);
        }
        catch (Exception e) when (e is not (PayloadException or OutOfMemoryException))
        {
            // The wire has proven the payload well-formed, so that only its own fault leads here; it must not become a crash.
            throw new PayloadException(CloseReason.TypeMismatch, $"A payload can't be read: {PrintableText.Escape(e.Message)}", e);
        }
    }

    private object? ReadValue(ref MessagePackReader reader, int depth)
    {
        switch (reader.NextMessagePackType)
        {
            case MessagePackType.Nil:
                return reader.ReadNil();
            case MessagePackType.Boolean:
                return SharedValues.Of(reader.ReadBoolean());
            case MessagePackType.Integer:
                return ReadInteger(ref reader);
            case MessagePackType.Float when reader.NextCode == MessagePackCode.Float32:
                _allowance.Take(DynamicAllowance.BoxBytes);
                return reader.ReadSingle();
            case MessagePackType.Float:
                _allowance.Take(DynamicAllowance.BoxBytes);
                return reader.ReadDouble();
            case MessagePackType.String:
                return ReadText(ref reader, isKey: false);
            case MessagePackType.Binary:
                return ReadBytes(ref reader);
            case MessagePackType.Extension:
                return ReadExtension(ref reader);
            case MessagePackType.Array:
                return ReadArray(ref reader, Deeper(depth));
            case MessagePackType.Map:
                return ReadMap(ref reader, Deeper(depth));
            default:
                throw new PayloadException(CloseReason.TypeMismatch, $"The byte 0x{reader.NextCode:x2} begins no msgpack value.");
        }
    }

    private object ReadInteger(ref MessagePackReader reader)
    {
        bool isUnsigned = reader.NextCode == MessagePackCode.UInt64;
        ulong large = isUnsigned ? reader.ReadUInt64() : 0;
        long number = isUnsigned ? unchecked((long)large) : reader.ReadInt64();
        if (large <= long.MaxValue && SharedValues.Find(number) is { } shared)
            return shared;
        _allowance.Take(DynamicAllowance.BoxBytes);
        return large > long.MaxValue ? large : number;
    }

    private string ReadText(ref MessagePackReader reader, bool isKey)
    {
        if (reader.TryReadStringSpan(out ReadOnlySpan<byte> utf8))
            return MakeText(utf8, isKey);
        ReadOnlySequence<byte> segments = reader.ReadStringSequence()!.Value;
        int length = checked((int)segments.Length);
        byte[] copy = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            segments.CopyTo(copy);
            return MakeText(copy.AsSpan(0, length), isKey);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(copy);
        }
    }

    private string MakeText(ReadOnlySpan<byte> utf8, bool isKey)
    {
        if (utf8.Length <= 1)
            return SharedValues.OfText(utf8);
        int place = -1;
        if (isKey && utf8.Length <= KeyCache.MaxBytes && _keys.Find(utf8, out place) is { } known)
            return known;
        _allowance.TakeText(utf8.Length);
        string text = Encoding.UTF8.GetString(utf8);
        if (place >= 0)
            _keys[place] = text;
        return text;
    }

    private byte[] ReadBytes(ref MessagePackReader reader)
    {
        ReadOnlySequence<byte> bytes = reader.ReadBytes()!.Value;
        if (bytes.IsEmpty)
            return [];
        _allowance.TakeBytes(bytes.Length);
        return bytes.ToArray();
    }

    private object ReadExtension(ref MessagePackReader reader)
    {
        Extension extension = reader.ReadExtension();
        if (extension.TypeCode == Timestamp.TypeCode && extension.Data.Length <= Timestamp.MaxLength)
        {
            Span<byte> copy = stackalloc byte[Timestamp.MaxLength];
            extension.Data.CopyTo(copy);
            if (Timestamp.TryGetDateTime(copy[..(int)extension.Data.Length], out DateTime time))
            {
                _allowance.Take(DynamicAllowance.BoxBytes);
                return time;
            }
        }

        _allowance.Take(DynamicAllowance.ExtensionBytes);
        _allowance.TakeBytes(extension.Data.Length);
        return new PacketExtension(extension.TypeCode, extension.Data.ToArray());
    }

    private object?[] ReadArray(ref MessagePackReader reader, int depth)
    {
        int count = reader.ReadArrayHeader();
        if (count == 0)
            return [];

        // The wire has counted that every element of all open containers has a byte of its own.
        _allowance.TakeArray(count);
        var items = new object?[count];
        for (int i = 0; i < count; i++)
            items[i] = ReadValue(ref reader, depth);
        return items;
    }

    private PacketMap ReadMap(ref MessagePackReader reader, int depth)
    {
        int count = reader.ReadMapHeader();
        switch (count)
        {
            case 0:
                return PacketMap.Empty;
            case 1:
                _allowance.Take(DynamicAllowance.SinglePairMapBytes);
                return new SinglePairMap(ReadKey(ref reader), ReadValue(ref reader, depth));
            case 2:
                _allowance.Take(DynamicAllowance.TwoPairsMapBytes);
                KeyValuePair<object, object?> first = new(ReadKey(ref reader), ReadValue(ref reader, depth));
                object second = ReadKey(ref reader);
                return DynamicKeyComparer.Instance.Equals(first.Key, second)
                    ? throw Twice(second)
                    : new TwoPairsMap(first, new(second, ReadValue(ref reader, depth)));
            default:
                return ReadPairs(ref reader, count, depth);
        }
    }

    private PairsMap ReadPairs(ref MessagePackReader reader, int count, int depth)
    {
        _allowance.TakePairs(count);
        var pairs = new KeyValuePair<object, object?>[count];
        var index = new KeyIndex(pairs);
        for (int i = 0; i < count; i++)
        {
            object key = ReadKey(ref reader);
            if (!index.TryAdd(key, i))
                throw Twice(key);
            pairs[i] = new(key, ReadValue(ref reader, depth));
        }

        return new PairsMap(index);
    }

    private object ReadKey(ref MessagePackReader reader) => reader.NextMessagePackType switch
    {
        MessagePackType.String => ReadText(ref reader, isKey: true),
        MessagePackType.Nil or MessagePackType.Array or MessagePackType.Map => throw new PayloadException(
            CloseReason.TypeMismatch,
            $"A map has a key of the msgpack type {reader.NextMessagePackType}; keys are bools, numbers, strings, bytes and extensions."),
        _ => ReadValue(ref reader, depth: 0)!,
    };

    private static PayloadException Twice(object key)
        => new(CloseReason.DuplicateKey, $"A map has the key {ValueFormatter.Format(key, 256)} twice.");

    private static int Deeper(int depth) => depth > 0
        ? depth - 1
        : throw new PayloadException(CloseReason.TypeMismatch, "A dynamic value nests deeper than the limit where it stands.");
}
