using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>
/// One bit of a conversation is inverted on its way. Without TLS nobody can know; but nothing worse may come of it than a closed
/// connection, or other content of the one value that was hit.
/// </summary>
[Collection(nameof(Alone))] // unobserved exceptions of other tests are not its own
public sealed class BitFlipTests
{
    private const int FirstPacket = 3; // INIT, PUBIDS and FINISH come before

    private static readonly int Seed = Setting.Read("PACKETMQ_FLIP_SEED", 20_261_122);
    private static readonly int Flips = Setting.Read("PACKETMQ_FLIPS", 300);

    private static readonly object?[] Values =
    [
        "some text", 1_234_567L, new byte[] { 1, 2, 3, 4 }, new object?[] { null, true, 2.5, "x" }, null,
        PacketMap.Create([new("key", -5L), new("other", new object?[] { 0L })]),
    ];

    private static readonly string[] Sent = [.. Values.Select(Text)];

    [Fact]
    public async Task A_flipped_bit_closes_the_connection_or_changes_the_value_that_it_hits()
    {
        using var unobserved = new UnobservedExceptions();
        var time = new WatchedTime();
        await using var pair = new ProxiedPair(new PeerOptions { TimeProvider = time });
        await pair.AssertBystanderIsServedAsync();
        await pair.ConverseAsync(Values);
        Assert.Equal(Sent, pair.Received.Select(Text));
        Assert.Equal(Sent, pair.Echoes.Values.Select(Text));
        IReadOnlyList<int>[] frames = [pair.Proxy.Last!.Frames(Way.ToServer), pair.Proxy.Last.Frames(Way.ToClient)];
        var random = new Random(Seed);
        int harmless = 0;
        for (int i = 0; i < Flips; i++)
        {
            var way = (Way)random.Next(2);
            int frame = random.Next(frames[(int)way].Count);
            var fault = new Fault(way, frame, random.Next(frames[(int)way][frame]), FaultKind.Flip, random.Next(8));
            pair.Proxy.Fault = fault;
            (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values, () => time.Beat(5), $"{fault} of seed {Seed}");

            bool isOpaque = frame >= FirstPacket && fault.Byte >= 6;
            AssertPrefix(pair.Received, isOpaque && way == Way.ToServer ? frame - FirstPacket : -1, $"{fault} of seed {Seed}");
            AssertPrefix(pair.Echoes.Values, isOpaque ? frame - FirstPacket : -1, $"{fault} of seed {Seed}");
            Assert.NotEqual(CloseReason.InternalError, client.Reason);
            Assert.NotEqual(CloseReason.InternalError, server.Reason);
            if (pair.Echoes.Values.Length == Values.Length)
                harmless++;
            if (i % 10 == 0)
                await pair.AssertBystanderIsServedAsync();
        }

        Assert.InRange(harmless, 1, Flips * 2 / 3); // those that hit a value, and one bit of what needs none
        unobserved.AssertNone();
    }

    private static void AssertPrefix(IEnumerable<object?> values, int spoilt, string fault)
    {
        string[] texts = [.. values.Select(Text)];
        Assert.True(texts.Length <= Sent.Length, fault);
        for (int i = 0; i < texts.Length; i++)
            Assert.True(i == spoilt || texts[i] == Sent[i], $"{fault}: {texts[i]} instead of {Sent[i]}");
    }

    private static string Text(object? value) => value switch
    {
        byte[] bytes => Convert.ToHexString(bytes),
        object?[] array => $"[{string.Join(", ", array.Select(Text))}]",
        PacketMap map => $"{{{string.Join(", ", map.Select(pair => Text(pair.Key) + ": " + Text(pair.Value)))}}}",
        _ => value?.ToString() ?? "nil",
    };
}
