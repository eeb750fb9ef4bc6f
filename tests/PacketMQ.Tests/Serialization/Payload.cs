using System.Buffers;
using System.Buffers.Binary;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

/// <summary>Payload bytes from hexadecimal digits, whole or in segments, and what the codecs make of them.</summary>
internal static class Payload
{
    private const int KeyCount = 30_000;

    /// <summary>A map of 30 000 random 64-bit integers to true.</summary>
    public static byte[] RandomKeys { get; } = EightByteKeys(0xd3, new Random(1).NextInt64);

    /// <summary>The same with integers whose halves are equal, so that <see cref="long"/> hashes them all to 0.</summary>
    public static byte[] CollidingKeys { get; } = EightByteKeys(0xd3, EqualHalves());

    /// <summary>The same as floats of these bits.</summary>
    public static byte[] CollidingFloats { get; } = EightByteKeys(0xcb, EqualHalves());

    public static byte[] Bytes(string hex) => Convert.FromHexString(hex.Replace(" ", ""));

    public static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);

    public static ReadOnlySequence<byte> Whole(byte[] bytes) => new(bytes);

    /// <summary>Every segment has this many bytes, the last one the rest.</summary>
    public static ReadOnlySequence<byte> InSegments(byte[] bytes, int length)
    {
        var first = new Segment(bytes.AsMemory(0, Math.Min(length, bytes.Length)), 0);
        Segment last = first;
        for (int i = length; i < bytes.Length; i += length)
            last = last.Append(bytes.AsMemory(i, Math.Min(length, bytes.Length - i)));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    public static byte[] Write(object? value, int maxDepth = 64)
    {
        var output = new ArrayBufferWriter<byte>();
        DynamicCodec.Write(output, value, maxDepth);
        return output.WrittenSpan.ToArray();
    }

    public static object? Read(byte[] bytes) => DynamicCodec.Read(Whole(bytes));

    public static object? Read(string hex) => Read(Bytes(hex));

    public static byte[] WriteTyped<T>(T value)
    {
        var output = new ArrayBufferWriter<byte>();
        TypedCodec<T>.Create().Write(output, value);
        return output.WrittenSpan.ToArray();
    }

    public static T ReadTyped<T>(string hex, bool hasBinaryKeys = false) => ReadTyped<T>(Bytes(hex), hasBinaryKeys);

    public static T ReadTyped<T>(byte[] bytes, bool hasBinaryKeys = false) => TypedCodec<T>.Create().Read(Whole(bytes), hasBinaryKeys);

    public static PayloadException AssertMismatch<T>(string hex, string named)
    {
        PayloadException e = Assert.Throws<PayloadException>(() => ReadTyped<T>(hex));
        Assert.Equal(CloseReason.TypeMismatch, e.Reason);
        Assert.Contains(named, e.Message);
        return e;
    }

    /// <summary>A map32 or array32 and the elements that were written one after the other.</summary>
    public static byte[] Container(byte code, int count, Action<ArrayBufferWriter<byte>> writeElements)
    {
        var output = new ArrayBufferWriter<byte>();
        output.Write([code, (byte)(count >> 24), (byte)(count >> 16), (byte)(count >> 8), (byte)count]);
        writeElements(output);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] EightByteKeys(byte code, Func<long> next) => Container(0xdf, KeyCount, output =>
    {
        for (int i = 0; i < KeyCount; i++)
        {
            Span<byte> entry = output.GetSpan(10);
            entry[0] = code;
            BinaryPrimitives.WriteInt64BigEndian(entry[1..], next());
            entry[9] = 0xc3;
            output.Advance(10);
        }
    });

    private static Func<long> EqualHalves()
    {
        long half = 0;
        return () => (++half << 32) | half;
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long runningIndex)
        {
            Memory = memory;
            RunningIndex = runningIndex;
        }

        public Segment Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
