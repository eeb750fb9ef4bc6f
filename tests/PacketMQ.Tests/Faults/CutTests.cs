using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>A connection that is cut at each byte of its life, in both directions.</summary>
public sealed class CutTests
{
    private static readonly object?[] Values = ["a packet"];

    [Theory]
    [InlineData(Way.ToServer)]
    [InlineData(Way.ToClient)]
    public async Task A_stream_that_ends_at_any_byte_ends_both_sides_once(Way way)
    {
        await using var pair = new ProxiedPair();
        foreach (Fault fault in await EveryPlaceAsync(pair, way, FaultKind.End))
        {
            pair.Proxy.Fault = fault;
            (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values);
            AssertContent(pair, fault);
            await pair.AssertBystanderIsServedAsync();

            (CloseInfo cut, CloseInfo other) = way == Way.ToServer ? (server, client) : (client, server);
            CloseReason expected = fault.Byte > 0 ? CloseReason.TruncatedFrame : CloseReason.Disconnected;
            if (way == Way.ToServer ? fault.Frame == 5 : fault.Frame >= 4)
                Assert.Contains(cut.Reason, new[] { expected, CloseReason.Unknown }); // the client quits by itself meanwhile
            else
                Assert.True((expected, CloseInitiator.Remote) == (cut.Reason, cut.Initiator), $"{fault}: {cut}");
            Assert.True(other.Reason == CloseReason.Disconnected || other.Reason == CloseReason.Unknown, $"{fault}: {other}");
        }
    }

    [Theory]
    [InlineData(Way.ToServer)]
    [InlineData(Way.ToClient)]
    public async Task A_reset_at_any_byte_ends_both_sides_once(Way way)
    {
        await using var pair = new ProxiedPair();
        foreach (Fault fault in await EveryPlaceAsync(pair, way, FaultKind.Reset))
        {
            pair.Proxy.Fault = fault;
            (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values);
            AssertContent(pair, fault);
            await pair.AssertBystanderIsServedAsync();
            foreach (CloseInfo end in new[] { client, server })
                Assert.True(end.Reason == CloseReason.ConnectionReset || end.Reason == CloseReason.Unknown, $"{fault}: {end}");
        }
    }

    // The frames of a conversation without a fault are the map of its places.
    private static async Task<List<Fault>> EveryPlaceAsync(ProxiedPair pair, Way way, FaultKind kind)
    {
        await pair.AssertBystanderIsServedAsync();
        pair.Proxy.Fault = null;
        (CloseInfo client, CloseInfo server) = await pair.ConverseAsync(Values);
        Assert.Equal((CloseReason.Unknown, CloseInitiator.Local), (client.Reason, client.Initiator));
        Assert.Equal((CloseReason.Unknown, CloseInitiator.Remote), (server.Reason, server.Initiator));
        Assert.Equal(Values, pair.Received);
        Assert.Equal(Values, pair.Echoes.Values);
        IReadOnlyList<int> frames = pair.Proxy.Last!.Frames(way);
        Assert.Equal(way == Way.ToServer ? 5 : 4, frames.Count); // INIT, PUBIDS, FINISH, the packet; and the client's SOFTQUIT
        var faults = frames.SelectMany((size, frame) => Enumerable.Range(0, size).Select(at => new Fault(way, frame, at, kind))).ToList();
        faults.Add(new Fault(way, frames.Count, 0, kind));
        Assert.InRange(faults.Count, 100, 500);
        return faults;
    }

    // A packet is handled whole or not at all.
    private static void AssertContent(ProxiedPair pair, Fault fault)
    {
        Assert.True(pair.Received.IsEmpty || Values.SequenceEqual(pair.Received), $"{fault}: {string.Join(", ", pair.Received)}");
        Assert.True(pair.Echoes.Values.IsEmpty || Values.SequenceEqual(pair.Echoes.Values), $"{fault}: {string.Join(", ", pair.Echoes.Values)}");
        if (fault.Way == Way.ToServer)
            Assert.Equal(fault.Kind == FaultKind.End && fault.Frame >= 4, !pair.Received.IsEmpty && fault.Kind == FaultKind.End);
    }
}
