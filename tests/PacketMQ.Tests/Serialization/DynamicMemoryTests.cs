using System.Buffers;
using System.Globalization;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

/// <summary>
/// How many times its bytes a dynamic value takes as objects, for the worst payload of each shape: what docs/decisions/memory-of-dynamic-values.md
/// tells. What is measured is never above what was taken from the allowance before.
/// </summary>
public sealed class DynamicMemoryTests
{
    private const int Elements = 10_000;

    /// <summary>A shape, one element, how many values it is in the array around it, the most times its bytes, and whether so many of it are let in.</summary>
    public static TheoryData<string, string, int, double, bool> Shapes => new()
    {
        { "nil, bools and small integers", "c0 c3 07 ff", 4, 8.1, true },
        { "integers of 16 bits", "cd1234", 1, 10.7, true },
        { "integers of 64 bits", "cf8000000000000000", 1, 3.6, true },
        { "floats", "ca3f800000", 1, 6.5, true },
        { "doubles", "cb3ff0000000000001", 1, 3.6, true },
        { "times", "d6ff00000001", 1, 5.4, true },
        { "strings of one character", "a161", 1, 4.1, true },
        { "strings of two characters", "a26161", 1, 13.4, true },
        { "strings of one character of two bytes", "a2c3a4", 1, 10.7, true },
        { "strings of 20 characters", "b4 6162636465 6162636465 6162636465 6162636465", 1, 3.5, true },
        { "bytes of one", "c40107", 1, 13.4, true },
        { "empty arrays, maps, strings and bytes", "90 80 a0 c400", 4, 6.5, true },
        { "arrays of one small integer", "9107", 1, 20.1, false },
        { "arrays of two small integers", "920707", 1, 16.1, true },
        { "arrays of one in arrays of one", "919191919191919107", 1, 29.5, false },
        { "extensions of one byte", "d40107", 1, 26.7, false },
        { "extensions of four bytes", "d60107070707", 1, 13.4, true },
        { "maps of one", "810707", 1, 13.4, true },
        { "maps of one in maps of one", "8107810707", 1, 14.5, true },
        { "maps of two", "8201070207", 1, 11.3, true },
        { "maps of three", "83010702070307", 1, 16.1, true },
        { "maps of eight", "88 0107 0207 0307 0407 0507 0607 0707 0807", 1, 11.4, true },
        { "maps of nine, which have an index", "89 0107 0207 0307 0407 0507 0607 0707 0807 0907", 1, 15.7, true },
        { "maps of 13", "8d 0107 0207 0307 0407 0507 0607 0707 0807 0907 0a07 0b07 0c07 0d07", 1, 15.8, true },
        { "maps of 15", "8f 0107 0207 0307 0407 0507 0607 0707 0807 0907 0a07 0b07 0c07 0d07 0e07 0f07", 1, 14.8, true },
        { "{\"a\": 1}", "81a16101", 1, 10.1, true },
        { "{\"id\": 1}", "81a2696401", 1, 8.1, true },
        { "{\"a\": \"b\"}", "81a161a162", 1, 8.1, true },
        { "{\"name\": \"ann\", \"age\": 7}", "82a46e616d65a3616e6ea361676507", 1, 6.5, true },
    };

    [Theory, MemberData(nameof(Shapes))]
    public void A_shape_takes_what_was_taken_from_the_allowance_for_it(string shape, string element, int values, double times, bool fits)
    {
        byte[] payload = ManyOf(element, values);
        (long measured, long taken, CloseReason? refusal) = Read(payload, maxExpansion: null);
        Assert.Null(refusal);
        Assert.True(measured <= taken, $"{shape}: {measured} bytes were allocated, and {taken} taken from the allowance.");
        double ratio = measured / (double)payload.Length;
        Assert.True(ratio <= times, string.Create(CultureInfo.InvariantCulture, $"{shape}: {ratio:0.00} times its bytes, more than {times}."));
        Assert.True(ratio > times - 1, string.Create(CultureInfo.InvariantCulture, $"{shape}: only {ratio:0.00} times its bytes; the table is out of date."));

        long allowance = (16L * payload.Length) + 65_536;
        (measured, taken, refusal) = Read(payload, maxExpansion: 16);
        Assert.Equal(fits ? (CloseReason?)null : CloseReason.TooManyItems, refusal);
        // The refusal itself, an exception with its message and its trace, comes on top.
        Assert.InRange(measured, 0, fits ? Math.Min(taken, allowance) : allowance + 16_384);
    }

    [Fact]
    public void A_map_of_many_pairs_takes_what_was_taken_for_it()
    {
        foreach (int count in new[] { 24, 25, 48, 49, 96, 97, 5_000, 30_000 })
        {
            byte[] payload = Payload.Container(0xdf, count, output =>
            {
                for (int i = 0; i < count; i++)
                    output.Write<byte>([0xcd, (byte)((i + 256) >> 8), unchecked((byte)i), 0x07]);
            });
            (long measured, long taken, CloseReason? refusal) = Read(payload, maxExpansion: 16);
            Assert.Null(refusal);
            Assert.InRange(measured, taken - 64, taken);
        }
    }

    [Fact]
    public void A_refusal_names_the_bytes_the_limit_and_the_option()
    {
        byte[] payload = ManyOf("9107", 1);
        PayloadException refused = Assert.Throws<PayloadException>(() => DynamicCodec.Read(Payload.Whole(payload), maxExpansion: 16));
        Assert.Equal(CloseReason.TooManyItems, refused.Reason);
        Assert.Equal(
            "A payload of 20003 bytes has dynamic values that take more than 385584 bytes as objects: 16 times its own and 65536 are allowed "
            + "(MaxDynamicExpansion).",
            refused.Message);
        Assert.NotNull(DynamicCodec.Read(Payload.Whole(payload), maxExpansion: 20));
        Assert.NotNull(DynamicCodec.Read(Payload.Whole(payload), maxExpansion: null));
    }

    [Fact]
    public void The_edge_of_the_allowance_is_exact()
    {
        byte[] payload = ManyOf("9107", 1);
        var unlimited = new DynamicAllowance(payload.Length, null);
        DynamicCodec.Read(Payload.Whole(payload), ref unlimited);

        // As if the payload were as long as it must be, and one byte shorter.
        long needed = (unlimited.Taken - 65_536 + 15) / 16;
        var enough = new DynamicAllowance(needed, 16);
        DynamicCodec.Read(Payload.Whole(payload), ref enough);
        Assert.InRange(enough.Left, 0, 15);
        var tooLittle = new DynamicAllowance(needed - 1, 16);
        Assert.Throws<PayloadException>(() => DynamicCodec.Read(Payload.Whole(payload), ref tooLittle));
    }

    [Fact]
    public void An_array_that_is_refused_is_never_made()
    {
        byte[] payload = ManyOf("c0", 1, elements: 60_000); // 480 KB as an array
        (long measured, _, CloseReason? refusal) = Read(payload, maxExpansion: 1);
        Assert.Equal(CloseReason.TooManyItems, refusal);
        Assert.InRange(measured, 0, 100_000);
    }

    [Fact]
    public void All_dynamic_members_of_a_typed_payload_share_one_allowance()
    {
        byte[] part = ManyOf("9107", 1, elements: 5_000);
        byte[] fits = [0x82, 0xa5, .. "Value"u8, .. part, 0xa4, .. "More"u8, 0x80];
        Assert.NotNull(Payload.ReadTyped<Loose>(fits).Value);
        byte[] both = [0x82, 0xa5, .. "Value"u8, .. part, 0xa4, .. "More"u8, 0x81, 0xa1, (byte)'a', .. ManyOf("9107", 1, elements: 9_000)];
        PayloadException refused = Assert.Throws<PayloadException>(() => Payload.ReadTyped<Loose>(both));
        Assert.Equal(CloseReason.TooManyItems, refused.Reason);
        Assert.Contains($"A payload of {both.Length} bytes", refused.Message);
        Assert.NotNull(Payload.ReadTyped<Loose>(fits).Value); // nothing is left over from the one before
    }

    [Fact]
    public void Reading_small_records_again_and_again_allocates_them_and_nothing_else()
    {
        byte[] payload = Payload.Write(new object[] { new Dictionary<string, object> { ["id"] = 1_000, ["x"] = 0.5 }, new Dictionary<string, object> { ["id"] = 1 } });
        // The array, the map of two, the string "id", the two numbers, the map of one.
        Assert.Equal(40 + 48 + 32 + 24 + 24 + 32, Measure.AllocatedBytes(() => Payload.Read(payload)));
    }

    private static byte[] ManyOf(string element, int values, int elements = Elements)
    {
        byte[] bytes = Payload.Bytes(element);
        byte[] payload = new byte[3 + (bytes.Length * elements)];
        (payload[0], payload[1], payload[2]) = (0xdc, (byte)(elements * values >> 8), unchecked((byte)(elements * values)));
        for (int i = 0; i < elements; i++)
            bytes.CopyTo(payload, 3 + (i * bytes.Length));
        return payload;
    }

    private static (long Measured, long Taken, CloseReason? Refusal) Read(byte[] payload, int? maxExpansion)
    {
        long least = long.MaxValue;
        long taken = 0;
        CloseReason? refusal = null;
        for (int i = 0; i < 3; i++)
        {
            var allowance = new DynamicAllowance(payload.Length, maxExpansion);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                object? value = DynamicCodec.Read(new ReadOnlySequence<byte>(payload), ref allowance);
                GC.KeepAlive(value);
            }
            catch (PayloadException exception)
            {
                refusal = exception.Reason;
            }

            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
            taken = allowance.Taken;
        }

        return (least, taken, refusal);
    }
}
