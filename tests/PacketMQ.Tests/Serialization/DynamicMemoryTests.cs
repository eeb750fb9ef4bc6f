using System.Buffers;
using System.Globalization;
using PacketMQ.Serialization;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Serialization;

/// <summary>
/// How many times its bytes a dynamic value takes as an object, for the worst payload of each shape. The bounds are what was measured, so
/// that more is noticed; why they are no lower stands in docs/decisions/memory-of-dynamic-values.md.
/// </summary>
public sealed class DynamicMemoryTests
{
    private const int Elements = 10_000;

    [Theory]
    [InlineData("nil, bools and small integers", "c0 c3 07 ff", 4, 9)]
    [InlineData("integers of 16 bits", "cd1234", 1, 11)]
    [InlineData("floats", "ca3f800000", 1, 7)]
    [InlineData("strings of one character", "a161", 1, 17)]
    [InlineData("bytes of one", "c40107", 1, 14)]
    [InlineData("extensions of one byte", "d40107", 1, 27)]
    [InlineData("empty arrays", "90", 1, 9)]
    [InlineData("arrays of one", "9107", 1, 21)]
    [InlineData("empty maps", "80", 1, 89)]
    [InlineData("maps of one", "810707", 1, 75)]
    [InlineData("maps of one in maps of one", "8107810707", 1, 89)]
    [InlineData("maps of 15", "8f 0107 0207 0307 0407 0507 0607 0707 0807 0907 0a07 0b07 0c07 0d07 0e07 0f07", 1, 20)]
    public void A_shape_takes_no_more_than_so_many_times_its_bytes(string shape, string element, int values, int factor)
    {
        byte[] bytes = Hex.Bytes(element);
        byte[] payload = new byte[3 + (bytes.Length * Elements)];
        (payload[0], payload[1], payload[2]) = (0xdc, (byte)(Elements * values >> 8), unchecked((byte)(Elements * values)));
        for (int i = 0; i < Elements; i++)
            bytes.CopyTo(payload, 3 + (i * bytes.Length));

        long least = long.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            object? value = DynamicCodec.Read(new ReadOnlySequence<byte>(payload));
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.Equal(Elements * values, Assert.IsType<object?[]>(value).Length);
        }

        Assert.True(
            least <= (long)factor * payload.Length,
            string.Create(CultureInfo.InvariantCulture, $"{shape}: {least / (double)payload.Length:0.0} times its bytes, more than {factor}."));
    }
}
