using System.Collections.Concurrent;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>How much of what never has to be waited for a connection handles before the others get their turn.</summary>
public sealed class TurnTests
{
    private static readonly byte[] Packets = Flood.Packets(4_096, [0xc4, 8, .. new byte[8]]); // 64 KiB

    private readonly WatchedTime _time = new();

    [Theory]
    [InlineData(0, 16)] // a MiB
    [InlineData(1, 2)] // what is handled in 5 ms, in whole reads
    [InlineData(20, 1)] // each takes 82 ms
    public async Task A_turn_has_an_end_in_bytes_and_in_time(int microseconds, int reads)
    {
        const int Turns = 5;
        var flood = new Flood(Packets);
        var yields = new Yields(flood);
        var packet = Packet.Create((_, _) =>
        {
            SynchronizationContext.SetSynchronizationContext(yields); // what yields says so to it
            _time.Advance(TimeSpan.FromMicroseconds(microseconds));
        });
        await using var server = new MemoryServer(
            Registries.Server(packet), new PeerOptions { TimeProvider = _time, SendTimeout = null, MinReceiveRate = null });
        Connection connection = await server.AttachAsync(flood).Soon();
        await Bounded.UntilAsync(() => yields.Reads.Count > Turns);
        flood.End();
        await connection.Closed.Soon();

        int[] ends = [.. yields.Reads.Take(1 + Turns)];
        Assert.All(ends.Skip(1).Zip(ends), turn => Assert.Equal(reads, turn.First - turn.Second)); // the first began with the handshake
    }

    /// <summary>Notes after how many reads somebody yielded.</summary>
    private sealed class Yields(Flood flood) : SynchronizationContext
    {
        public ConcurrentQueue<int> Reads { get; } = new();

        public override void Post(SendOrPostCallback d, object? state)
        {
            Reads.Enqueue(flood.Reads);
            ThreadPool.UnsafeQueueUserWorkItem(_ => d(state), null);
        }
    }
}
