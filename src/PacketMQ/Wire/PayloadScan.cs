using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Text.Unicode;

namespace PacketMQ.Wire;

/// <summary>
/// One pass over a payload, as far as the bytes at hand go. The rules of <see cref="PayloadScanner"/> are all here; where the bytes
/// come from is the scanner's business.
/// </summary>
/// <param name="levels">Room for the open containers: its length is the limit of the depth.</param>
/// <param name="maxItems">How many values the payload may hold.</param>
/// <param name="payloadBytes">The payload's whole length.</param>
internal ref struct PayloadScan(Span<uint> levels, int maxItems, long payloadBytes)
{
    /// <summary>The longest part of a value that must lie in one piece: a timestamp in its longest form.</summary>
    public const int MaxHeadBytes = 18;

    private const int MaxNanoseconds = 999_999_999;

    private readonly Span<uint> _levels = levels;

    // A level is what its container still owes: the number of values times 2, plus 1 in a map. In a map an even number of owed
    // values means that a key comes next. The outermost level owes the one value of the payload.
    private uint _level = 2;
    private int _depth;

    /// <summary>What all open levels owe together.</summary>
    private long _owed = 1;

    private long _items = 1;

    /// <summary>Where the piece at hand begins in the payload.</summary>
    private long _position;

    public bool HasBinaryKeys { get; private set; }

    public readonly bool IsComplete => _owed == 0;

    /// <summary>
    /// Reads the values that begin in <paramref name="bytes"/>, which is the next piece of the payload: either all that is left, or at
    /// least <see cref="MaxHeadBytes"/>.
    /// </summary>
    /// <param name="bytes">The piece.</param>
    /// <param name="textBytes">If the last value is a text that goes on behind the piece: its length; it is not checked yet.</param>
    /// <returns>Where the last value that was read ends, counted from the beginning of the piece. That may lie behind it.</returns>
    public long Run(scoped ReadOnlySpan<byte> bytes, out long textBytes)
    {
        textBytes = 0;
        long bytesLeft = payloadBytes - _position;
        bool goesOn = bytesLeft > bytes.Length;
        int stop = goesOn ? bytes.Length - MaxHeadBytes + 1 : bytes.Length;
        long owed = _owed;
        uint level = _level;
        int index = 0;
        while (owed > 0 && index < stop)
        {
            while (level < 2)
                level = _levels[--_depth];
            bool isKey = (level & 3) == 1;
            level -= 2;
            owed--;

            byte code = bytes[index];
            if (code is <= MsgpackCode.MaxPositiveFixInt or >= MsgpackCode.MinNegativeFixInt)
            {
                index++;
                continue;
            }

            int scalarBytes = MsgpackCode.ScalarBytes(code);
            if (scalarBytes != 0)
            {
                index += scalarBytes;
                continue;
            }

            int head = ReadHead(bytes, index, code, out uint length);
            if (code is <= MsgpackCode.MaxFixArray or >= MsgpackCode.Array16)
            {
                bool isMap = code is < MsgpackCode.MinFixArray or >= MsgpackCode.Map16;
                long values = isMap ? 2L * length : length;
                owed += values;
                CheckContainer(index, head, values, owed);
                _levels[_depth++] = level;
                level = ((uint)values << 1) | (isMap ? 1u : 0u);
                index += head;
                continue;
            }

            long end = index + head + (long)length;
            if (end > bytesLeft)
                RefuseCut();
            bool isText = code is <= MsgpackCode.MaxFixStr or (>= MsgpackCode.Str8 and <= MsgpackCode.Str32);
            if (isKey && code is >= MsgpackCode.Bin8 and <= MsgpackCode.Bin32)
                HasBinaryKeys = true;
            if (end > bytes.Length)
            {
                Keep(level, owed);
                textBytes = isText ? length : 0;
                return end;
            }

            if (isText && !IsText(bytes[(index + head)..(int)end]))
                RefuseText(index + head);
            index = (int)end;
        }

        if (index > bytes.Length || (owed > 0 && !goesOn))
            RefuseCut();
        Keep(level, owed);
        return index;
    }

    /// <summary>Most texts of small packets are ASCII and shorter than a call of the general check is worth.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool IsText(ReadOnlySpan<byte> text)
    {
        uint bits = 0x80;
        if (text.Length is >= sizeof(ulong) and <= 2 * sizeof(ulong))
        {
            ulong both = BinaryPrimitives.ReadUInt64LittleEndian(text) | BinaryPrimitives.ReadUInt64LittleEndian(text[^sizeof(ulong)..]);
            bits = (both & 0x8080808080808080) == 0 ? 0u : 0x80;
        }
        else if (text.Length < sizeof(ulong))
        {
            bits = 0;
            foreach (byte b in text)
                bits |= b;
        }

        return bits < 0x80 || Utf8.IsValid(text);
    }

    /// <summary>Goes on to the next piece, which begins where <see cref="Run"/> said.</summary>
    public void Advance(long bytes) => _position += bytes;

    public readonly void Finish()
    {
        if (_position != payloadBytes)
            Refuse($"The payload's value ends after {_position} of {payloadBytes} bytes; nothing may follow it.");
    }

    private void Keep(uint level, long owed) => (_level, _owed) = (level, owed);

    /// <summary>Reads a container's count or a body's length. An extension's type belongs to the head.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly int ReadHead(ReadOnlySpan<byte> bytes, int index, byte code, out uint length)
    {
        if (code >= MsgpackCode.Nil)
            return ReadLongHead(bytes, index, code, out length);
        length = code < MsgpackCode.MinFixStr ? code & 0x0fu : code & 0x1fu;
        return 1;
    }

    private readonly int ReadLongHead(ReadOnlySpan<byte> bytes, int index, byte code, out uint length)
    {
        int lengthBytes = MsgpackCode.LengthBytes(code);
        bool isExtension = code is (>= MsgpackCode.Ext8 and <= MsgpackCode.Ext32) or (>= MsgpackCode.FixExt1 and <= MsgpackCode.FixExt16);
        int head = 1 + lengthBytes + (isExtension ? 1 : 0);
        if (code == MsgpackCode.NeverUsed)
            Refuse($"The byte 0xc1 at offset {Offset(index)} of the payload is not msgpack.");
        if (head > bytes.Length - index)
            RefuseCut();
        length = lengthBytes switch
        {
            0 => 1u << (code - MsgpackCode.FixExt1),
            1 => bytes[index + 1],
            2 => BinaryPrimitives.ReadUInt16BigEndian(bytes[(index + 1)..]),
            _ => BinaryPrimitives.ReadUInt32BigEndian(bytes[(index + 1)..]),
        };
        if (isExtension && bytes[index + head - 1] == MsgpackCode.TimestampType)
            CheckTimestamp(bytes, index, index + head, length);
        return head;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void CheckContainer(int index, int head, long values, long owed)
    {
        if (_depth == _levels.Length)
            RefuseDepth(index);

        // Every value takes a byte at least. Counting what the outer levels still owe too keeps nested containers from standing on
        // the same bytes again and again.
        long bytesLeft = payloadBytes - Offset(index) - head;
        if (owed > bytesLeft)
            RefuseDebt(index, owed, bytesLeft);

        _items += values;
        if (_items > maxItems)
            RefuseItems(index);
    }

    private readonly void CheckTimestamp(ReadOnlySpan<byte> bytes, int index, int body, uint length)
    {
        if (length is not (4 or 8 or 12))
            Refuse($"The timestamp at offset {Offset(index)} of the payload has {length} bytes; it can have 4, 8 or 12.");
        if (length > bytes.Length - body)
            RefuseCut();
        uint nanoseconds = length switch
        {
            4 => 0,
            8 => BinaryPrimitives.ReadUInt32BigEndian(bytes[body..]) >> 2, // the upper 30 of 64 bits
            _ => BinaryPrimitives.ReadUInt32BigEndian(bytes[body..]),
        };
        if (nanoseconds > MaxNanoseconds)
            Refuse($"The timestamp at offset {Offset(index)} of the payload has {nanoseconds} nanoseconds; at most {MaxNanoseconds} are possible.");
    }

    [DoesNotReturn]
    private readonly void RefuseDepth(int index)
        => throw new ProtocolException(
            CloseReason.DepthExceeded,
            $"The container at offset {Offset(index)} of the payload is nested deeper than {_levels.Length} levels.");

    [DoesNotReturn]
    private readonly void RefuseDebt(int index, long owed, long bytesLeft)
        => Refuse($"At offset {Offset(index)} the payload owes {owed} more values, with {bytesLeft} bytes left.");

    [DoesNotReturn]
    private readonly void RefuseItems(int index)
        => throw new ProtocolException(
            CloseReason.TooManyItems,
            $"The container at offset {Offset(index)} brings the payload to {_items} values; at most {maxItems} are read.");

    /// <summary>Refuses the text whose body begins at <paramref name="index"/> of the piece.</summary>
    [DoesNotReturn]
    public readonly void RefuseText(long index)
        => Refuse($"The string whose text begins at offset {Offset(index)} of the payload is not valid UTF-8.");

    [DoesNotReturn]
    private readonly void RefuseCut()
        => Refuse(payloadBytes == 0 ? "The payload is empty; it must be one msgpack value." : $"The payload's value is cut off: it goes on after {payloadBytes} bytes.");

    [DoesNotReturn]
    private static void Refuse(string message) => throw new ProtocolException(CloseReason.MalformedPayload, message);

    private readonly long Offset(long index) => _position + index;
}
