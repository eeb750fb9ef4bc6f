using System.Buffers.Binary;

namespace PacketMQ.Tests.Fuzzing;

/// <summary>
/// Makes new inputs from good ones, and knows what they are made of: frames keep a length that fits after their payload changed,
/// bytes become codes of msgpack, pieces of other inputs are put in. The same seed gives the same inputs.
/// </summary>
internal sealed class Mutator(IReadOnlyList<byte[]> corpus, int seed)
{
    /// <summary>The choices at the beginning of each input (fuzz/README.md).</summary>
    private const int ChoiceBytes = 2;

    private const int MaxBytes = 2_048;
    private const int HeaderBytes = 6;

    private static readonly byte[] Interesting =
        [0, 1, 2, 3, 0x10, 0x7f, 0x80, 0x81, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xa1, 0xbf, .. Enumerable.Range(0xc0, 0x20).Select(code => (byte)code), 0xe0, 0xff];

    private readonly Random _random = new(seed);

    public byte[] Next()
    {
        List<byte> input = [.. Any()];
        if (_random.Next(4) == 0 && input.Count >= ChoiceBytes)
            input[_random.Next(ChoiceBytes)] = (byte)_random.Next(256);
        for (int changes = _random.Next(1, 6); changes > 0; changes--)
            Change(input);
        if (input.Count > MaxBytes)
            input.RemoveRange(MaxBytes, input.Count - MaxBytes);
        return [.. input];
    }

    private void Change(List<byte> input)
    {
        List<(int Start, int Length)> frames = Frames(input);
        if (frames.Count == 0 || _random.Next(4) == 0)
        {
            ChangeBytes(input, Math.Min(ChoiceBytes, input.Count), input.Count);
            return;
        }

        (int start, int length) = frames[_random.Next(frames.Count)];
        switch (_random.Next(5))
        {
            case 0:
                input.RemoveRange(start, length);
                break;
            case 1:
                input.InsertRange(start, input.GetRange(start, length));
                break;
            case 2:
                input[start + 4] = 0;
                input[start + 5] = (byte)_random.Next(20);
                break;
            default:
                int before = input.Count;
                ChangeBytes(input, start + HeaderBytes, start + length);
                SetLength(input, start, length + input.Count - before);
                break;
        }
    }

    /// <summary>Changes something between the two positions.</summary>
    private void ChangeBytes(List<byte> input, int start, int end)
    {
        int at = start + _random.Next(end - start + 1);
        int count = Math.Min(_random.Next(1, 9), end - at);
        switch (_random.Next(6))
        {
            case 0 when at < end:
                input[at] ^= (byte)(1 << _random.Next(8));
                break;
            case 1 when at < end:
                input[at] = Interesting[_random.Next(Interesting.Length)];
                break;
            case 2 when at < end:
                input[at] += (byte)_random.Next(-3, 4);
                break;
            case 3:
                input.RemoveRange(at, count);
                break;
            case 4:
                input.InsertRange(at, input.GetRange(at, count));
                break;
            default:
                byte[] other = Any();
                int from = _random.Next(other.Length + 1);
                input.InsertRange(at, other.AsSpan(from, Math.Min(_random.Next(1, 40), other.Length - from)).ToArray());
                break;
        }
    }

    private byte[] Any() => corpus[_random.Next(corpus.Count)];

    private static List<(int Start, int Length)> Frames(List<byte> input)
    {
        var frames = new List<(int, int)>();
        for (int start = ChoiceBytes; input.Count - start >= HeaderBytes;)
        {
            Span<byte> field = [input[start], input[start + 1], input[start + 2], input[start + 3]];
            uint length = BinaryPrimitives.ReadUInt32BigEndian(field);
            if (length < 2 || length > input.Count - start - 4)
                break;
            frames.Add((start, (int)length + 4));
            start += (int)length + 4;
        }

        return frames;
    }

    private static void SetLength(List<byte> input, int start, int frameBytes)
    {
        Span<byte> field = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(field, frameBytes - 4);
        for (int i = 0; i < field.Length; i++)
            input[start + i] = field[i];
    }
}
