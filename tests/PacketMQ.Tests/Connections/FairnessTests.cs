using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Connections whose reads never have to wait, many more of them than threads, leave turns to the others.</summary>
[Collection(nameof(Alone))] // it keeps every thread of the pool busy
public sealed class FairnessTests
{
    private const int Floods = 256;

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
        Flood[] floods = [.. Enumerable.Range(0, Floods).Select(_ => new Flood(flooded))];
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

    /// <summary>A handshake, and then as many packets as anybody reads, each read of 64 KiB at once.</summary>
    private sealed class Flood(CountdownEvent flooded) : PipeReader, IDuplexPipe
    {
        private const int EnoughReads = 64;

        private static readonly byte[] Handshake = PeerBytes.Handshake(true, (Registries.Name, 2_000));
        private static readonly byte[] Packets = [.. Enumerable.Repeat(PeerBytes.Frame(17, [0xc5, 0x3f, 0xf0, .. new byte[0x3ff0]]), 4).SelectMany(frame => frame)];

        private ReadOnlySequence<byte> _bytes = new(Handshake);
        private volatile bool _hasEnded;
        private int _reads;

        public PipeReader Input => this;

        public PipeWriter Output { get; } = PipeWriter.Create(Stream.Null);

        public void End() => _hasEnded = true;

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            if (_bytes.IsEmpty && !_hasEnded)
            {
                _bytes = new(Packets);
                if (++_reads == EnoughReads)
                    flooded.Signal();
            }

            return new(new ReadResult(_bytes, isCanceled: false, isCompleted: _hasEnded));
        }

        public override bool TryRead(out ReadResult result)
        {
            result = ReadAsync().GetAwaiter().GetResult();
            return true;
        }

        public override void AdvanceTo(SequencePosition consumed) => _bytes = _bytes.Slice(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => AdvanceTo(consumed);

        public override void CancelPendingRead()
        {
        }

        public override void Complete(Exception? exception = null)
        {
        }
    }
}
