using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Connections whose reads never have to wait, many more of them than threads, leave turns to the others.</summary>
[Collection(nameof(Alone))] // it keeps every thread of the pool busy
public sealed class FairnessTests
{
    private const int Floods = 256;
    private const int EnoughReads = 64;

    private static readonly byte[] Packets = Flood.Packets(4, [0xc5, 0x3f, 0xf0, .. new byte[0x3ff0]]); // 64 KiB

    [Theory, AllTransports]
    public async Task Whoever_floods_does_not_keep_another_connection_from_its_answer(Transport transport)
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:echo", new EchoPacket("a:reply", TextWriter.Null)), ("a:reply", Registries.Sink())),
            Registries.Client(("a:echo", Registries.Sink()), ("a:reply", inbox.Packet)));
        (Connection client, _) = await pair.ConnectAsync();

        var flooded = new CountdownEvent(Floods);
        await using var busy = new MemoryServer(Registries.Server(Registries.Sink()));
        Flood[] floods = [.. Enumerable.Range(0, Floods).Select(_ => new Flood(Packets, reads => Note(reads, flooded)))];
        try
        {
            await Task.WhenAll(floods.Select(flood => busy.AttachAsync(flood))).Soon();
            for (int i = 0; i < 20; i++)
            {
                await client.SendAsync("a:echo", i);
                Assert.Equal((long)i, await inbox.NextAsync());
            }

            // All of them had their share too.
            await Bounded.UntilAsync(() => flooded.IsSet);
        }
        finally
        {
            foreach (Flood flood in floods)
                flood.End();
        }
    }

    private static void Note(int reads, CountdownEvent flooded)
    {
        if (reads == EnoughReads)
            flooded.Signal();
    }
}
