using System.IO.Pipelines;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>What all peers have in common: connections by key, running and stopping.</summary>
public sealed class PeerTests
{
    [Fact]
    public async Task A_connection_may_be_named_by_its_id_or_its_object()
    {
        var inbox = new Inbox();
        var typed = new Packet<string>();
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(typed), Registries.Client(inbox.Packet));
        (_, Connection server) = await pair.ConnectAsync();
        foreach (ConnectionKey key in new ConnectionKey[] { server.Id, server })
        {
            Assert.Same(server, pair.Server.GetConnection(key));
            Assert.Equal(server.Id, pair.Server.GetConnectionId(key));
            Assert.True(pair.Server.TryGetConnection(key, out Connection? found) && found == server);
            await pair.Server.SendAsync(Registries.Name, "by name", key);
            await pair.Server.SendAsync(typed, "typed", key);
            Assert.Equal("by name", await inbox.NextAsync());
            Assert.Equal("typed", await inbox.NextAsync());
        }

        Assert.Equal(1, server.Id);
        Assert.Contains("connection 1", server.ToString());
    }

    [Fact]
    public async Task A_connection_that_is_not_this_peers_is_not_found()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, _) = await pair.ConnectAsync();
        foreach (ConnectionKey key in new ConnectionKey[] { 0, -1, 2, long.MaxValue, client, default })
        {
            Assert.Contains("has no", Assert.Throws<KeyNotFoundException>(() => pair.Server.GetConnection(key)).Message);
            Assert.False(pair.Server.TryGetConnection(key, out Connection? found));
            Assert.Null(found);
            await Assert.ThrowsAsync<KeyNotFoundException>(() => pair.Server.SendAsync(Registries.Name, 1, key).AsTask());
            await Assert.ThrowsAsync<KeyNotFoundException>(() => pair.Server.SoftQuitAsync(key));
        }

        Assert.Throws<ArgumentNullException>(() => pair.Server.GetConnection((Connection)null!));
    }

    [Fact]
    public async Task Ids_are_never_used_again()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        for (int i = 1; i <= 3; i++)
        {
            (Connection client, Connection server) = await pair.ConnectAsync();
            Assert.Equal((i, i), (client.Id, server.Id));
            await pair.Server.SoftQuitAsync(server).Soon();
            await client.Closed.Soon();
        }
    }

    [Fact]
    public async Task Running_lasts_until_the_peer_has_stopped()
    {
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()));
        Task blocking = Task.Factory.StartNew(server.Run, TaskCreationOptions.LongRunning);
        Task first = server.RunAsync();
        Task second = server.RunAsync();
        Assert.False(first.IsCompleted || second.IsCompleted || blocking.IsCompleted);
        await server.StopAsync().Soon();
        await Task.WhenAll(first, second, blocking, server.RunAsync()).Soon();
    }

    [Fact]
    public async Task Cancelling_the_run_stops_the_peer_and_is_no_error()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, _) = await pair.ConnectAsync();
        using var cancellation = new CancellationTokenSource();
        Task running = pair.Server.RunAsync(cancellation.Token);
        await cancellation.CancelAsync();
        await running.Soon();
        Assert.Equal(CloseReason.Shutdown, (await client.Closed.Soon()).Reason);
        await pair.Server.RunAsync(cancellation.Token).Soon();
    }

    [Fact]
    public async Task Stopping_and_disposing_may_be_done_at_once_and_again()
    {
        await using var pair = new PeerPair(Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        for (int i = 0; i < 5; i++)
            await pair.ConnectAsync();
        await Task.WhenAll(
            Task.Run(() => pair.Server.StopAsync()), Task.Run(() => pair.Server.DisposeAsync().AsTask()), Task.Run(() => pair.Server.StopAsync()),
            Task.Run(() => pair.Client.DisposeAsync().AsTask()), Task.Run(() => pair.Client.StopAsync())).Soon();
        await pair.Server.StopAsync().Soon();
        await pair.Server.DisposeAsync();
        await pair.Server.StopAsync(new CancellationToken(canceled: true)).Soon();
        Assert.Equal((5, 5), (pair.ServerLost.Count, pair.ClientLost.Count));
    }

    [Fact]
    public async Task A_stop_whose_token_is_cancelled_already_cuts_at_once()
    {
        var time = new WatchedTime();
        await using var pair = new PeerPair(
            Transport.TcpIPv4, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), new PeerOptions { TimeProvider = time });
        await using RawEnd silent = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        await pair.Server.StopAsync(new CancellationToken(canceled: true)).Soon();
        Assert.True(connection.Closed.IsCompleted);
    }

    [Fact]
    public async Task A_stopped_peer_disposes_the_pipe_that_it_is_given()
    {
        var server = new Server(Registries.Server(Registries.Sink()));
        await server.StopAsync().Soon();
        var pipe = new OwnedPipe();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => server.AttachAsync(pipe).Soon());
        await pipe.Disposed.Task.Soon();
    }

    [Fact]
    public async Task A_pipe_is_disposed_at_the_end_of_its_connection()
    {
        await using var server = new Server(Registries.Server(Registries.Sink()));
        await using var client = new Client(Registries.Client(Registries.Sink()));
        var pipe = new OwnedPipe();
        Task<Connection> far = server.AttachAsync(pipe.Other);
        Connection near = await client.AttachAsync(pipe).Soon();
        await near.SoftQuitAsync().Soon();
        await pipe.Disposed.Task.Soon();
        await (await far.Soon()).Closed.Soon();
    }

    /// <summary>What is to be done at a connection's end is done, whatever fails there: here the ends of the pipe.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_pipe_that_can_not_be_completed_is_disposed_nevertheless(bool isReader, bool isCut)
    {
        await using var server = new Server(Registries.Server(Registries.Sink()), new PeerOptions { CloseTimeout = TimeSpan.FromMilliseconds(100) });
        await using var client = new Client(Registries.Client(Registries.Sink()), new PeerOptions { CloseTimeout = TimeSpan.FromMilliseconds(100) });
        var pipe = new OwnedPipe();
        if (isReader)
            pipe.Input = new EndlessReader(pipe.Input);
        else
            pipe.Output = new EndlessWriter(pipe.Output);
        Task<Connection> far = server.AttachAsync(pipe.Other);
        Connection near = await client.AttachAsync(pipe).Soon();
        await far.Soon();
        if (isCut)
            near.Abort();
        else
            await near.SoftQuitAsync().Soon();
        await pipe.Disposed.Task.Soon();
        Assert.Equal(CloseInitiator.Local, (await near.Closed.Soon()).Initiator);
    }

    [Fact]
    public async Task A_pipe_that_can_not_be_completed_is_disposed_when_a_handler_cuts_the_connection_too()
    {
        var cut = Packet.Create((_, context) => context.Connection.Abort());
        await using var server = new Server(Registries.Server(Registries.Sink()));
        await using var client = new Client(Registries.Client(cut));
        var pipe = new OwnedPipe();
        pipe.Input = new EndlessReader(pipe.Input);
        Task<Connection> far = server.AttachAsync(pipe.Other);
        Connection near = await client.AttachAsync(pipe).Soon();
        await (await far.Soon()).SendAsync(Registries.Name, 1);
        await pipe.Disposed.Task.Soon(); // though what was read is only given back behind the cut
        Assert.Equal(CloseReason.Aborted, (await near.Closed.Soon()).Reason);
    }

    private sealed class EndlessWriter(PipeWriter inner) : PipeWriter
    {
        public override Memory<byte> GetMemory(int sizeHint = 0) => inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => inner.GetSpan(sizeHint);

        public override void Advance(int bytes) => inner.Advance(bytes);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => inner.FlushAsync(cancellationToken);

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => throw new NotSupportedException("This stream has no end.");
    }

    private sealed class EndlessReader(PipeReader inner) : PipeReader
    {
        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) => inner.ReadAsync(cancellationToken);

        public override bool TryRead(out ReadResult result) => inner.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => inner.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => inner.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => inner.CancelPendingRead();

        public override void Complete(Exception? exception = null) => throw new NotSupportedException("This stream has no end.");
    }

    private sealed class OwnedPipe : IDuplexPipe, IAsyncDisposable
    {
        public OwnedPipe()
        {
            (IDuplexPipe near, Other) = PeerPair.CrossedPipes();
            (Input, Output) = (near.Input, near.Output);
        }

        public IDuplexPipe Other { get; }

        public TaskCompletionSource Disposed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public PipeReader Input { get; set; }

        public PipeWriter Output { get; set; }

        public ValueTask DisposeAsync()
        {
            Disposed.TrySetResult();
            return default;
        }
    }
}
