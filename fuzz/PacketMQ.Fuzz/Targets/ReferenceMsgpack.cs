using System.Buffers;
using System.Text;

namespace PacketMQ.Fuzz.Targets;

/// <summary>
/// Whether a payload is one well-formed msgpack value within the limits, by the msgpack specification and the protocol page alone:
/// recursive, slow and written without the library's scanner in mind, so that the two can be compared.
/// </summary>
internal ref struct ReferenceMsgpack(ReadOnlySpan<byte> bytes, int maxDepth, int maxItems)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private int _position;
    private long _items;

    public bool HasBinaryKeys { get; private set; }

    public bool IsAccepted() => Value(0, isKey: false) && _position == _bytes.Length;

    private bool Value(int depth, bool isKey)
    {
        if (++_items > maxItems || !Take(1, out ReadOnlySpan<byte> code))
            return false;
        int first = code[0];
        if (first < 0x80 || first >= 0xe0)
            return true;
        if (first < 0x90)
            return Container(first & 15, 2, depth);
        if (first < 0xa0)
            return Container(first & 15, 1, depth);
        if (first < 0xc0)
            return Text(first & 31);
        switch (first)
        {
            case 0xc0 or 0xc2 or 0xc3:
                return true;
            case 0xc4 or 0xc5 or 0xc6:
                HasBinaryKeys |= isKey;
                return Number(1 << (first - 0xc4), out long size) && Take(size, out _);
            case 0xc7 or 0xc8 or 0xc9:
                return Number(1 << (first - 0xc7), out size) && Extension(size);
            case 0xca or 0xce or 0xd2:
                return Take(4, out _);
            case 0xcb or 0xcf or 0xd3:
                return Take(8, out _);
            case 0xcc or 0xd0:
                return Take(1, out _);
            case 0xcd or 0xd1:
                return Take(2, out _);
            case >= 0xd4 and <= 0xd8:
                return Extension(1 << (first - 0xd4));
            case 0xd9 or 0xda or 0xdb:
                return Number(1 << (first - 0xd9), out size) && Text(size);
            case 0xdc or 0xdd:
                return Number(2 << (first - 0xdc), out size) && Container(size, 1, depth);
            case 0xde or 0xdf:
                return Number(2 << (first - 0xde), out size) && Container(size, 2, depth);
            default:
                return false;
        }
    }

    private bool Container(long count, int valuesEach, int depth)
    {
        if (depth == maxDepth)
            return false;
        for (long i = 0; i < count * valuesEach; i++)
        {
            if (!Value(depth + 1, isKey: valuesEach == 2 && i % 2 == 0))
                return false;
        }

        return true;
    }

    private bool Text(long size)
    {
        if (!Take(size, out ReadOnlySpan<byte> text))
            return false;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out _, out int length) != OperationStatus.Done)
                return false;
            text = text[length..];
        }

        return true;
    }

    private bool Extension(long size)
    {
        if (!Take(1, out ReadOnlySpan<byte> type) || !Take(size, out ReadOnlySpan<byte> data))
            return false;
        if (type[0] != 0xff)
            return true;
        long nanoseconds = size switch
        {
            4 => 0,
            8 => ((long)data[0] << 22) | ((long)data[1] << 14) | ((long)data[2] << 6) | ((long)data[3] >> 2),
            12 => ((long)data[0] << 24) | ((long)data[1] << 16) | ((long)data[2] << 8) | data[3],
            _ => long.MaxValue,
        };
        return nanoseconds < 1_000_000_000;
    }

    private bool Number(int size, out long number)
    {
        number = 0;
        if (!Take(size, out ReadOnlySpan<byte> digits))
            return false;
        foreach (byte digit in digits)
            number = (number << 8) | digit;
        return true;
    }

    private bool Take(long size, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (size > _bytes.Length - _position)
            return false;
        taken = _bytes.Slice(_position, (int)size);
        _position += (int)size;
        return true;
    }
}
