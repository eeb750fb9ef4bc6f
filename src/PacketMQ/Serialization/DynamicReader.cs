using System.Buffers;
using Nerdbank.MessagePack;

namespace PacketMQ.Serialization;

/// <summary>Reads one dynamic value. Recursive: the wire has bounded the depth, and <c>depth</c> does so once more.</summary>
internal static class DynamicReader
{
    /// <summary>A map's declared count makes room for this many elements at most; for more the room grows with what arrives.</summary>
    private const int MaxPreallocation = 4_096;

    private const int MinSharedInteger = -128;
    private const int MaxSharedInteger = 255;

    /// <summary>One byte of payload, or two, would be an object of 24 bytes each.</summary>
    private static readonly object[] SharedIntegers =
        [.. Enumerable.Range(MinSharedInteger, MaxSharedInteger - MinSharedInteger + 1).Select(number => (object)(long)number)];

    private static readonly object True = true;
    private static readonly object False = false;

    public static object? Read(ref MessagePackReader reader, int depth)
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

    private static object? ReadValue(ref MessagePackReader reader, int depth)
    {
        switch (reader.NextMessagePackType)
        {
            case MessagePackType.Nil:
                return reader.ReadNil();
            case MessagePackType.Boolean:
                return reader.ReadBoolean() ? True : False;
            case MessagePackType.Integer:
                return ReadInteger(ref reader);
            case MessagePackType.Float when reader.NextCode == MessagePackCode.Float32:
                return reader.ReadSingle();
            case MessagePackType.Float:
                return reader.ReadDouble();
            case MessagePackType.String:
                return reader.ReadString();
            case MessagePackType.Binary:
                ReadOnlySequence<byte> bytes = reader.ReadBytes()!.Value;
                return bytes.IsEmpty ? Array.Empty<byte>() : bytes.ToArray();
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

    private static object ReadInteger(ref MessagePackReader reader)
    {
        if (reader.NextCode != MessagePackCode.UInt64)
            return Shared(reader.ReadInt64());
        ulong number = reader.ReadUInt64();
        return number <= long.MaxValue ? Shared((long)number) : number;
    }

    private static object Shared(long number)
        => number is >= MinSharedInteger and <= MaxSharedInteger ? SharedIntegers[number - MinSharedInteger] : number;

    private static object ReadExtension(ref MessagePackReader reader)
    {
        Extension extension = reader.ReadExtension();
        byte[] data = extension.Data.ToArray();
        return extension.TypeCode == Timestamp.TypeCode && Timestamp.TryGetDateTime(data, out DateTime time)
            ? time
            : new PacketExtension(extension.TypeCode, data);
    }

    private static object?[] ReadArray(ref MessagePackReader reader, int depth)
    {
        int count = reader.ReadArrayHeader();
        if (count == 0)
            return [];

        // The wire has counted that every element of all open containers has a byte of its own.
        var items = new object?[count];
        for (int i = 0; i < count; i++)
            items[i] = ReadValue(ref reader, depth);
        return items;
    }

    private static Dictionary<object, object?> ReadMap(ref MessagePackReader reader, int depth)
    {
        int count = reader.ReadMapHeader();
        var map = new Dictionary<object, object?>(Math.Min(count, MaxPreallocation), DynamicKeyComparer.Instance);
        for (int i = 0; i < count; i++)
        {
            object key = ReadKey(ref reader, depth);
            if (!map.TryAdd(key, ReadValue(ref reader, depth)))
                throw new PayloadException(CloseReason.DuplicateKey, $"A map has the key {ValueFormatter.Format(key, 256)} twice.");
        }

        return map;
    }

    private static object ReadKey(ref MessagePackReader reader, int depth)
    {
        MessagePackType type = reader.NextMessagePackType;
        if (type is MessagePackType.Nil or MessagePackType.Array or MessagePackType.Map)
        {
            throw new PayloadException(
                CloseReason.TypeMismatch, $"A map has a key of the msgpack type {type}; keys are bools, numbers, strings, bytes and extensions.");
        }

        return ReadValue(ref reader, depth)!;
    }

    private static int Deeper(int depth) => depth > 0
        ? depth - 1
        : throw new PayloadException(CloseReason.TypeMismatch, "A dynamic value nests deeper than the limit where it stands.");
}
