using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Tests.Serialization;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Dispatch;

/// <summary>The objects of the packet in hand count to what its connection holds, until its handler has completed, whichever way.</summary>
public sealed class PacketObjectsTests
{
    private const string After = "test:after";
    private const int Big = 20_000; // maps of one, 40 bytes each

    private static readonly byte[] BigFrame = RawEnd.Frame(17, Maps(Big));
    private static readonly byte[] SmallFrame = RawEnd.Frame(18, 0xc0);

    // A packet that lies in one piece goes another way to its handler than one in pieces.
    private static PipeOptions InOnePiece => new(minimumSegmentSize: 262_144);

    private static PipeOptions InPieces => new(minimumSegmentSize: 4_096);

    public enum Handler
    {
        Completes,
        CompletesLater,
        Throws,
        ThrowsLater,
    }

    public static TheoryData<Handler, bool, bool> Handlers
    {
        get
        {
            var rows = new TheoryData<Handler, bool, bool>();
            foreach (Handler handler in Enum.GetValues<Handler>())
            {
                rows.Add(handler, false, false);
                rows.Add(handler, false, true);
                rows.Add(handler, true, false);
            }

            return rows;
        }
    }

    [Theory, MemberData(nameof(Handlers))]
    public async Task They_count_until_the_handler_has_completed(Handler handler, bool isTyped, bool isInPieces)
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var entered = Signal<long>();
        var after = Signal<long>();
        Packet packet = Make(isTyped, async context =>
        {
            entered.TrySetResult(context.Connection.Objects.Held);
            if (handler is Handler.CompletesLater or Handler.ThrowsLater)
                await go.Task;
            if (handler is Handler.Throws or Handler.ThrowsLater)
                throw new InvalidOperationException("A handler failed.");
        });
        // The next packet's handler sees it while the first one is just done.
        var next = Packet.Create((_, context) => { after.TrySetResult(HeldBy(context.Connection)); });
        await using var pair = new PeerPair(Transport.Pipe, Registries.Server((Registries.Name, packet), (After, next)), Registries.Client(Registries.Sink()))
        {
            PipeOptions = isInPieces ? InPieces : InOnePiece,
        };
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name, After);
        Connection server = await pair.NextMadeAsync();

        byte[] big = isTyped ? RawEnd.Frame(17, [0x82, 0xa5, .. "Value"u8, .. Maps(Big), 0xa4, .. "More"u8, 0xc0]) : BigFrame;
        byte[] bytes = [.. big, .. SmallFrame];
        Task writing = Task.Run(async () =>
        {
            foreach (byte[] piece in isInPieces ? bytes.Chunk(1_000) : [bytes])
                await raw.WriteAsync(piece);
        });

        Assert.InRange(await entered.Task.Soon(), 40 * Big, (40 * Big) + 65_536);
        if (handler is Handler.CompletesLater or Handler.ThrowsLater)
        {
            Assert.InRange(server.HeldBytes, 40 * Big, (40 * Big) + 65_536 + (2 * bytes.Length));
            Assert.False(after.Task.IsCompleted);
            go.SetResult();
        }

        Assert.Equal(0, await after.Task.Soon());
        await writing.Soon();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_payload_that_is_refused_counts_no_more(bool isInPieces)
    {
        var after = Signal<long>();
        var next = Packet.Create((_, context) => { after.TrySetResult(HeldBy(context.Connection)); });
        var counted = new CountingPacket();
        await using var pair = new PeerPair(
            Transport.Pipe, Registries.Server((Registries.Name, counted), (After, next)), Registries.Client(Registries.Sink()),
            new PeerOptions { UnfitPayload = RefusalAction.Skip })
        {
            PipeOptions = isInPieces ? InPieces : InOnePiece,
        };
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name, After);

        // Extensions of one byte take 26.7 times theirs.
        byte[] payload = [0xdc, 0x27, 0x10, .. Enumerable.Range(0, 10_000).SelectMany(_ => new byte[] { 0xd4, 0x01, 0x07 })];
        foreach (byte[] piece in ((byte[])[.. RawEnd.Frame(17, payload), .. SmallFrame]).Chunk(isInPieces ? 1_000 : 100_000))
            await raw.WriteAsync(piece);
        Assert.Equal(0, await after.Task.Soon());
        Assert.InRange(counted.HeldAfterDecoding, 400_000, (16 * payload.Length) + 65_536);
    }

    [Fact]
    public async Task Small_packets_count_nothing()
    {
        var held = Signal<long>();
        var packet = Packet.Create((_, context) => { held.TrySetResult(HeldBy(context.Connection)); });
        await using var pair = new PeerPair(Transport.Pipe, Registries.Server(packet), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name);
        await raw.WriteAsync(RawEnd.Frame(17, Maps(1_600)));
        Assert.Equal(0, await held.Task.Soon());
    }

    [Fact]
    public async Task A_handler_that_outlives_its_connection_gives_nothing_back_a_second_time()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var entered = Signal<Connection>();
        var packet = Packet.Create(async (_, context) =>
        {
            entered.TrySetResult(context.Connection);
            await go.Task;
        });
        await using var pair = new PeerPair(
            Transport.Pipe, Registries.Server(packet), Registries.Client(Registries.Sink()), new PeerOptions { CloseTimeout = TimeSpan.FromMilliseconds(20) });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name);
        Task writing = raw.WriteAsync(BigFrame);
        Connection server = await entered.Task.Soon();
        Assert.InRange(server.HeldBytes, 40 * Big, long.MaxValue);
        server.Abort();
        await server.Closed.Soon();
        Assert.Equal(0, server.HeldBytes);
        Assert.NotEqual(0, server.Objects.Held);
        go.SetResult();
        await Bounded.UntilAsync(() => server.Objects.Held == 0);
        Assert.Equal(0, server.HeldBytes);
        await writing.ContinueWith(_ => { }, TaskScheduler.Default).Soon();
    }

    [Fact]
    public async Task What_the_application_feeds_in_itself_neither_counts_nor_gives_back()
    {
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var entered = Signal<long>();
        int handled = 0;
        var packet = Packet.Create(async (_, context) =>
        {
            if (Interlocked.Increment(ref handled) > 1)
                return;
            entered.TrySetResult(context.Connection.Objects.Held);
            await go.Task;
        });
        await using var pair = new PeerPair(Transport.Pipe, Registries.Server(packet), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name);
        Connection server = await pair.NextMadeAsync();
        Task writing = raw.WriteAsync(BigFrame);
        long counted = await entered.Task.Soon();
        await server.Peer.ReceiveEncodedAsync(BigFrame.AsMemory(4), server).Soon();
        Assert.Equal(2, handled);
        Assert.Equal(counted, server.Objects.Held);
        go.SetResult();
        await Bounded.UntilAsync(() => server.Objects.Held == 0);
        await server.Peer.ReceiveEncodedAsync(BigFrame.AsMemory(4), server).Soon();
        Assert.Equal((3, 0), (handled, server.Objects.Held));
        await writing.Soon();
    }

    [Fact]
    public async Task What_a_handler_feeds_in_counts_with_its_own_packet()
    {
        var after = Signal<long>();
        var inner = Signal<long>();
        long outer = 0;
        var packet = Packet.Create((_, context) =>
        {
            outer = context.Connection.Objects.Held;
            return context.Peer.ReceiveEncodedAsync(RawEnd.Frame(19, Maps(Big)).AsMemory(4), context.Connection);
        });
        var innerPacket = Packet.Create((_, context) => { inner.TrySetResult(context.Connection.Objects.Held); });
        var next = Packet.Create((_, context) => { after.TrySetResult(HeldBy(context.Connection)); });
        await using var pair = new PeerPair(
            Transport.Pipe, Registries.Server((Registries.Name, packet), (After, next), ("test:inner", innerPacket)), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name, After, "test:inner");
        Task writing = raw.WriteAsync([.. BigFrame, .. SmallFrame]);
        Assert.Equal(0, await after.Task.Soon());
        Assert.Equal(2 * outer, await inner.Task.Soon());
        await writing.Soon();
    }

    [Fact]
    public async Task What_is_fed_in_when_the_connection_is_made_is_given_back_too()
    {
        var packet = Packet.Create((_, _) => { });
        await using var pair = new PeerPair(Transport.Pipe, Registries.Server(packet), Registries.Client(Registries.Sink()));
        var counted = Signal<long>();
        pair.ServerMadeHook = async connection =>
        {
            await connection.Peer.ReceiveEncodedAsync(BigFrame.AsMemory(4), connection);
            counted.TrySetResult(connection.Objects.Held);
        };
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, Registries.Name);
        Connection server = await pair.NextMadeAsync();
        Assert.InRange(await counted.Task.Soon(), 1, long.MaxValue);
        await Bounded.UntilAsync(() => server.Objects.Held == 0);
    }

    [Fact]
    public async Task Between_packets_the_loops_thread_is_like_any_other()
    {
        (IDuplexPipe near, IDuplexPipe far) = PeerPair.CrossedPipes();
        await using var server = new MemoryServer(Registries.Server(Packet.Create((_, _) => { })));
        await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
        var held = Signal<long>();
        var reader = new FollowedReader(far.Input, () =>
        {
            if (server.Connections is not [{ State: ConnectionState.Active } connection])
                return;
            Assert.True(server.ReceiveEncodedAsync(BigFrame.AsMemory(4), connection).IsCompletedSuccessfully);
            held.TrySetResult(connection.Objects.Held);
        });
        Task<Connection> attaching = server.AttachAsync(new Duplex(reader, far.Output));
        await client.AttachAsync(near).Soon();
        await attaching.Soon();
        Assert.Equal(0, await held.Task.Soon());
    }

    internal static byte[] Maps(int count) => Payload.Container(0xdd, count, output =>
    {
        for (int i = 0; i < count; i++)
            output.Write<byte>([0x81, 0x07, 0x07]);
    });

    // Of the pipes, whose buffers do not count, nothing else is in it.
    private static long HeldBy(Connection connection) => connection.Objects.Held + connection.HeldBytes;

    // The test must not go on inside of the handler, whose thread is the loop's.
    private static TaskCompletionSource<T> Signal<T>() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static Packet Make(bool isTyped, Func<PacketContext, ValueTask> handler)
        => isTyped ? new Packet<Loose>((_, context) => handler(context)) : Packet.Create((_, context) => handler(context));

    private sealed class CountingPacket : Packet
    {
        public long HeldAfterDecoding { get; private set; }

        protected internal override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context)
        {
            try
            {
                return base.OnDecode(payload, context);
            }
            finally
            {
                HeldAfterDecoding = context.Connection.Objects.Held;
            }
        }
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    /// <summary>Calls a test on the thread that reads, whenever it wants more.</summary>
    private sealed class FollowedReader(PipeReader reader, Action reads) : PipeReader
    {
        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            reads();
            return reader.ReadAsync(cancellationToken);
        }

        public override bool TryRead(out ReadResult result) => reader.TryRead(out result);

        public override void AdvanceTo(SequencePosition consumed) => reader.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => reader.AdvanceTo(consumed, examined);

        public override void CancelPendingRead() => reader.CancelPendingRead();

        public override void Complete(Exception? exception = null) => reader.Complete(exception);
    }
}
