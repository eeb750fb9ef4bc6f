using System.Buffers;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Serialization;

/// <summary>What dynamic values count to a budget beside their payload's allowance: all that they take, before it is made, in few steps.</summary>
public sealed class ObjectBudgetTests
{
    [Fact]
    public void The_first_64_KiB_count_only_when_they_do_not_suffice()
    {
        // A byte[] of n is counted as n + 24.
        Assert.Empty(TakenFor(Bytes(65_536 - 24)));
        Assert.Equal([131_072L], TakenFor(Bytes(65_536 - 23)));
        Assert.Equal([131_072L], TakenFor(Bytes(131_072 - 24)));
        Assert.Equal([131_072L + 65_536], TakenFor(Bytes(131_072 - 23)));
    }

    [Fact]
    public void All_that_is_made_was_counted_before_in_steps_of_64_KiB()
    {
        byte[] payload = Maps(20_000);
        DynamicCodec.Read(Payload.Whole(payload)); // loads all that reading takes
        var budget = new Budget();
        var allowance = new DynamicAllowance(payload.Length, 16, budget);
        long before = GC.GetAllocatedBytesForCurrentThread();
        DynamicCodec.Read(Payload.Whole(payload), ref allowance);
        long made = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.InRange(budget.Steps.Sum(), allowance.Taken, allowance.Taken + 65_536);
        Assert.InRange(made, allowance.Taken - 64, budget.Steps.Sum());
        Assert.Equal([131_072L + 65_536, .. budget.Steps.Skip(1).Select(_ => 65_536L)], budget.Steps); // the array itself takes 160 KB
        Assert.InRange(budget.Steps.Count, 9, 12);
    }

    [Fact]
    public void What_is_counted_is_never_more_than_the_payload_may_take()
    {
        byte[] payload = Bytes(70_000);
        Assert.Equal([70_024L + 5_000], TakenFor(payload, budget => new DynamicAllowance(1, 9_488, budget)));
        // Refused before it is counted.
        var refusing = new Budget();
        PayloadException refused = Assert.Throws<PayloadException>(() =>
        {
            var allowance = new DynamicAllowance(1, 1, refusing);
            DynamicCodec.Read(Payload.Whole(payload), ref allowance);
        });
        Assert.Equal(CloseReason.TooManyItems, refused.Reason);
        Assert.Empty(refusing.Steps);
    }

    [Fact]
    public void A_budget_that_wants_no_more_stops_the_reading()
    {
        byte[] payload = Maps(20_000);
        var budget = new Budget { Allowed = 4 };
        PayloadException stopped = Assert.Throws<PayloadException>(() => DynamicCodec.Read(Payload.Whole(payload), budget: budget));
        Assert.Equal(CloseReason.Overloaded, stopped.Reason);
        Assert.Equal(5, budget.Steps.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // read from a copy
    public void Dynamic_members_of_a_typed_payload_count_together(bool hasBinaryKeys)
    {
        byte[] part = Maps(3_000); // 120 KB each
        byte[] payload = [0x82, 0xa5, .. "Value"u8, .. part, 0xa4, .. "More"u8, 0x81, 0xa1, (byte)'a', .. part];
        var budget = new Budget();
        Assert.NotNull(TypedCodec<Loose>.Create().Read(Payload.Whole(payload), hasBinaryKeys, budget: budget).Value);
        Assert.Equal([131_072L, 65_536, 65_536], budget.Steps);

        byte[] map = [0x82, 0xa3, .. "Map"u8, 0x81, 0x07, .. part, 0xa8, .. "Optional"u8, 0xc0];
        budget = new Budget { Allowed = 0 };
        PayloadException stopped = Assert.Throws<PayloadException>(() => TypedCodec<Mapped>.Create().Read(Payload.Whole(map), hasBinaryKeys, budget: budget));
        Assert.Equal(CloseReason.Overloaded, stopped.Reason);
        Assert.Equal([131_072L], budget.Steps);
    }

    private static List<long> TakenFor(byte[] payload, Func<Budget, DynamicAllowance>? allow = null)
    {
        var budget = new Budget();
        DynamicAllowance allowance = allow?.Invoke(budget) ?? new DynamicAllowance(payload.Length, 16, budget);
        DynamicCodec.Read(Payload.Whole(payload), ref allowance);
        return budget.Steps;
    }

    private static byte[] Bytes(int count) => [0xc6, 0, (byte)(count >> 16), unchecked((byte)(count >> 8)), unchecked((byte)count), .. new byte[count]];

    /// <summary>An array of maps of one pair, each of which takes 32 bytes, and 8 in the array.</summary>
    private static byte[] Maps(int count) => Payload.Container(0xdd, count, output =>
    {
        for (int i = 0; i < count; i++)
            output.Write<byte>([0x81, 0x07, 0x07]);
    });

    private sealed class Budget : IObjectBudget
    {
        public List<long> Steps { get; } = new(64);

        public int Allowed { get; init; } = int.MaxValue;

        public bool TryTake(long bytes)
        {
            Steps.Add(bytes);
            return Steps.Count <= Allowed;
        }
    }
}
