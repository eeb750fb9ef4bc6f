using System.IO.Pipelines;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Connections;

/// <summary>One heartbeat looks at all connections of a peer: what is wrong with one of them concerns that one only.</summary>
public sealed class HeartbeatTests : IAsyncDisposable
{
    private readonly FakeLogCollector _logs = new();
    private readonly WatchedTime _time = new();
    private readonly MemoryServer _server;

    public HeartbeatTests()
        => _server = new MemoryServer(Registries.Server(Registries.Sink()), new PeerOptions { TimeProvider = _time, LoggerFactory = new Journal(_logs) });

    // Cut, because the clock stands still, and nobody at the other ends says goodbye.
    public async ValueTask DisposeAsync() => await _server.StopAsync(new CancellationToken(canceled: true)).Soon();

    [Fact]
    public async Task A_pipe_that_throws_when_it_is_cancelled_keeps_no_other_connection_from_its_time_out()
    {
        (_, IDuplexPipe first) = PeerPair.CrossedPipes();
        (_, IDuplexPipe second) = PeerPair.CrossedPipes();
        Task<Connection> faulty = _server.AttachAsync(new DuplexPipe(new Uncancellable(first.Input), first.Output));
        Task<Connection> good = _server.AttachAsync(second);

        _time.Beat(10);
        Assert.Equal(CloseReason.HandshakeTimeout, await ReasonOfAsync(good));
        await _time.BeatUntilAsync(() => faulty.IsCompleted); // nothing wakes its loop, so it is left behind in the end
        Assert.Equal(CloseReason.HandshakeTimeout, await ReasonOfAsync(faulty));
    }

    [Fact]
    public async Task A_connection_that_the_heartbeat_can_not_look_at_ends_and_the_others_go_on()
    {
        (TransportConnection near, TransportConnection far) = MemoryConnection.CreatePair();
        Connection faulty = _server.Begin(new Unwatchable(far))!;
        (TransportConnection silent, TransportConnection other) = MemoryConnection.CreatePair();
        Connection good = _server.Begin(other)!;
        await near.Output.WriteAsync(PeerBytes.Handshake(true, (Registries.Name, 17))).Soon();

        await _time.BeatUntilAsync(() => faulty.IsEnding); // it is looked at once it is active, and nothing of it is being handled
        await near.Output.CompleteAsync().Soon();
        Assert.Equal(CloseReason.InternalError, (await faulty.Closed.Soon()).Reason);
        Assert.Single(_logs.GetSnapshot(), line => line.Id.Id == ConnectionLog.InternalId);
        _time.Beat(10);
        await silent.Output.CompleteAsync().Soon();
        Assert.Equal(CloseReason.HandshakeTimeout, (await good.Closed.Soon()).Reason);
    }

    [Fact]
    public void A_heartbeat_whose_other_work_fails_is_not_the_last()
    {
        int beats = 0;
        var faults = new List<Exception>();
        using var table = new ConnectionTable(_time, OnTick, faults.Add);
        Assert.True(table.TryAdd(_server.Begin(MemoryConnection.CreatePair().First)!));
        _time.Beat(3);
        Assert.Equal(3, beats);
        Assert.All(faults, fault => Assert.IsType<OutOfMemoryException>(fault));
        Assert.Equal(3, faults.Count);

        void OnTick()
        {
            beats++;
            throw new OutOfMemoryException();
        }
    }

    private static async Task<CloseReason> ReasonOfAsync(Task<Connection> attaching)
        => (await Assert.ThrowsAsync<ConnectionClosedException>(() => attaching.Soon())).CloseInfo.Reason;

    private sealed class Uncancellable(PipeReader inner) : PipeReader
    {
        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => inner.ReadAsync(cancellationToken);

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => throw new NotSupportedException();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);
    }

    private sealed class Unwatchable(TransportConnection inner) : TransportConnection
    {
        public override PipeReader Input => inner.Input;

        public override PipeWriter Output => inner.Output;

        public override int UnpooledBytes => throw new OutOfMemoryException();

        public override void Abort() => inner.Abort();

        public override ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
