using System.Collections.Concurrent;
using System.IO.Pipelines;
using PacketMQ.Connections;
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
        var yields = new ConcurrentQueue<int>(); // after how many reads somebody yielded
        var context = new Noticing(() => yields.Enqueue(flood.Reads));
        var packet = Packet.Create((_, _) =>
        {
            SynchronizationContext.SetSynchronizationContext(context);
            _time.Advance(TimeSpan.FromMicroseconds(microseconds));
        });
        await using var server = new MemoryServer(
            Registries.Server(packet), new PeerOptions { TimeProvider = _time, SendTimeout = null, MinReceiveRate = null });
        Connection connection = await server.AttachAsync(flood).Soon();
        await Bounded.UntilAsync(() => yields.Count > Turns);
        flood.End();
        await connection.Closed.Soon();

        int[] ends = [.. yields.Take(1 + Turns)];
        Assert.All(ends.Skip(1).Zip(ends), turn => Assert.Equal(reads, turn.First - turn.Second)); // the first began with the handshake
    }

    [Fact]
    public async Task A_turn_begins_anew_when_a_read_had_to_wait()
    {
        const int Reads = 5;
        var reader = new HandFedReader(new byte[Reads * Packets.Length]);
        var received = new ReceivedBytes(reader);
        for (int i = 0; i < Reads; i++)
        {
            ValueTask<ReadResult> reading = received.ReadAsync();
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await reader.FeedAsync(Packets.Length);
            ReadResult read = await reading;
            received.Take(read, _time);
            Assert.False(received.IsTurnOverBy(_time));
            received.Advance(read.Buffer.Slice(read.Buffer.End));
        }
    }

    /// <summary>What yields says so to it.</summary>
    private sealed class Noticing(Action onYield) : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
            onYield();
            ThreadPool.UnsafeQueueUserWorkItem(_ => d(state), null);
        }
    }
}
