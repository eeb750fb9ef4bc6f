using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>The same harm as to plain streams, done to encrypted ones: what was handled is what was sent, and each side ends once.</summary>
[Collection(nameof(Alone))] // unobserved exceptions of other tests are not its own
public sealed class TlsFaultTests
{
    private static readonly int Seed = Setting.Read("PACKETMQ_FLIP_SEED", 20_261_123);
    private static readonly int Flips = Setting.Read("PACKETMQ_FLIPS", 200);

    private static readonly object?[] Values = ["a packet", new string('x', 300), 1_234_567L];

    // What a stream that was cut may look like, from the handshake of TLS to the farewell.
    private static readonly CloseReason[] EndsOfCut =
        [CloseReason.TlsFailed, CloseReason.TruncatedStream, CloseReason.TruncatedFrame, CloseReason.Disconnected, CloseReason.ConnectionReset, CloseReason.Unknown];

    [Theory]
    [InlineData(Way.ToServer, FaultKind.End)]
    [InlineData(Way.ToClient, FaultKind.End)]
    [InlineData(Way.ToServer, FaultKind.Reset)]
    [InlineData(Way.ToClient, FaultKind.Reset)]
    public async Task A_cut_in_any_record_ends_both_sides_once(Way way, FaultKind kind)
    {
        using var unobserved = new UnobservedExceptions();
        await using ProxiedPair pair = await PairAsync(TimeProvider.System);
        IReadOnlyList<int> records = pair.Proxy.Last!.Frames(way);
        Assert.InRange(records.Count, 6, 40);
        // A reset waits until both have spoken, and a server says nothing before the first record.
        for (int record = kind == FaultKind.Reset && way == Way.ToServer ? 1 : 0; record < records.Count; record++)
        {
            foreach (int at in new[] { 0, 1, 4, 5, records[record] / 2, records[record] - 1 }.Distinct())
            {
                var fault = new Fault(way, record, at, kind);
                pair.Proxy.Fault = fault;
                (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values);
                AssertPrefixes(pair, fault);
                Assert.True(EndsOfCut.Contains(client.Reason) && EndsOfCut.Contains(server.Reason), $"{fault}: {client}, {server}");
                CloseInfo cut = way == Way.ToServer ? server : client;
                if (kind == FaultKind.End && record == 0)
                    Assert.True((CloseReason.TlsFailed, CloseInitiator.Remote) == (cut.Reason, cut.Initiator), $"{fault}: {cut}");
            }

            await pair.AssertBystanderIsServedAsync();
        }

        unobserved.AssertNone();
    }

    [Fact]
    public async Task A_flipped_bit_never_changes_a_value()
    {
        using var unobserved = new UnobservedExceptions();
        var time = new WatchedTime(); // a length that was hit is waited for
        await using ProxiedPair pair = await PairAsync(time);
        IReadOnlyList<int>[] records = [pair.Proxy.Last!.Frames(Way.ToServer), pair.Proxy.Last.Frames(Way.ToClient)];
        var random = new Random(Seed);
        int refused = 0;
        for (int i = 0; i < Flips; i++)
        {
            var way = (Way)random.Next(2);
            int record = random.Next(records[(int)way].Count);
            var fault = new Fault(way, record, random.Next(records[(int)way][record]), FaultKind.Flip, random.Next(8));
            pair.Proxy.Fault = fault;
            (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values, () => time.Beat(1), $"{fault} of seed {Seed}");
            AssertPrefixes(pair, fault);
            Assert.NotEqual(CloseReason.InternalError, client.Reason);
            Assert.NotEqual(CloseReason.InternalError, server.Reason);
            if (client.Reason == CloseReason.TlsFailed || server.Reason == CloseReason.TlsFailed)
                refused++;
            if (i % 10 == 0)
                await pair.AssertBystanderIsServedAsync();
        }

        Assert.InRange(refused, Flips / 3, Flips); // some hit what TLS itself does not look at, a length, or the farewell
        unobserved.AssertNone();
    }

    // One conversation without a fault is the map of the places.
    private async Task<ProxiedPair> PairAsync(TimeProvider time)
    {
        var pair = new ProxiedPair(new PeerOptions { TimeProvider = time }, isTls: true);
        await pair.AssertBystanderIsServedAsync();
        await pair.ConverseAsync(Values);
        Assert.Equal(Values, pair.Received);
        Assert.Equal(Values, pair.Echoes.Values);
        return pair;
    }

    private static void AssertPrefixes(ProxiedPair pair, Fault fault)
    {
        object?[] received = [.. pair.Received];
        object?[] echoes = [.. pair.Echoes.Values];
        Assert.True(received.SequenceEqual(Values.Take(received.Length)), $"{fault}: {string.Join(", ", received)}");
        Assert.True(echoes.SequenceEqual(Values.Take(echoes.Length)), $"{fault}: {string.Join(", ", echoes)}");
    }
}
