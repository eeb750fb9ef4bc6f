using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// How much memory those cases of the catalogue take that are more than bytes and an answer: they need time, a reset, a handler, or
/// several connections. (What is answered: <see cref="BadInputTests"/>, <see cref="BadInputTimeTests"/>.)
/// </summary>
[Collection(nameof(AloneInTheProcess))]
public sealed class BadInputSceneMemoryTests
{
    private const int KiB = 1024;
    private const long MostInOneReceive = ReceiveBuffer.LargestArray;

    private static readonly Side[] Sides = [Side.Server, Side.Client];
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly byte[] Nonsense = new byte[100_000];

    private static readonly Dictionary<string, Func<Scene, Task>> Attacks = new()
    {
        ["F09"] = scene => TimeOutAsync(scene, new byte[2]),
        ["F09 once active"] = scene => StallAsync(scene, new byte[2], handled: 0),
        ["F10"] = scene => StallAsync(scene, WireBytes.Hex(BadInputCase.All["F10"].Bytes), handled: 0),
        ["F18"] = scene => StallAsync(scene, [.. BadInputTable.ToTarget([0xc0]), 0, 0, 1], handled: 1),
        ["H14"] = scene => TimeOutAsync(scene, []),
        ["H16"] = scene => TimeOutAsync(scene, [0], atNineSeconds: [0]),
        ["Q07"] = ResetAsync,
        ["S07"] = NeverCloseAsync,
        ["S10"] = ThrowAsync,
    };

    public static TheoryData<string, Side> Rows { get; } = [.. from name in Attacks.Keys from side in Sides select (name, side)];

    public static TheoryData<Side> BothSides { get; } = [.. Sides];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task A_connection_takes_no_more_memory_than_written(string name, Side side)
    {
        await using var scene = new Scene(side);
        using var measure = new MemoryMeasure();
        string memory = BadInputCase.All[name[..3]].Memory;
        long bound = name switch
        {
            "F10" => 4 * KiB, // the bytes received, rounded up
            "S07" => MostInOneReceive, // what comes behind a refusal is forgotten as soon as it is read
            _ => BadInputMemoryTests.BoundOf(memory, sent: 0),
        };
        bool isActive = name is not ("F09" or "H14" or "H16");
        await measure.AssertBoundAsync(
            () => Attacks[name](scene),
            () => BadInputRun.AttackAsync(scene.Peer, BadInput.Lawful(isActive ? Stage.Active : Stage.Connected), scene.Log), bound);
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task F12_one_byte_a_segment_takes_the_memory_of_one_write(Side side)
    {
        byte[] session =
        [
            .. WireBytes.Init, .. Handshake.IdMap(side == Side.Client), .. WireBytes.Finish,
            .. Enumerable.Range(0, 20).SelectMany(i => WireBytes.Frame(TargetLog.EchoId, WireBytes.Number(i * 1_000))),
            .. WireBytes.SoftQuit("reason.bye"),
        ];
        await using var scene = new Scene(side);
        using var measure = new MemoryMeasure();
        await measure.AssertBoundAsync(() => PlayAsync(raw => raw.SendOneByOneAsync(session)), () => PlayAsync(raw => raw.SendAsync(session)), 0);

        async Task PlayAsync(Func<RawPeer, Task> send)
        {
            await using Encounter encounter = await scene.Peer.OpenAsync();
            await send(encounter.Raw);
            Assert.Equal(23, (await encounter.Raw.ReadToEndAsync()).Count);
            await encounter.EndedAsync();
        }
    }

    /// <summary>Nothing is queued for the handlers as packets: what has arrived waits as bytes, MaxReadAheadBytes of them, and what two receives may fill.</summary>
    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task F13_frames_that_wait_for_a_handler_take_no_more_memory_than_is_read_ahead(Side side)
    {
        const int count = 10_000;
        byte[] frames = [.. Enumerable.Range(0, count).SelectMany(i => BadInputTable.ToTarget([0x91, 0xcd, (byte)(i >> 8), (byte)i]))];
        byte[] ten = [.. Enumerable.Repeat(frames, 10).SelectMany(all => all)];
        var gate = new SemaphoreSlim(0);
        int handled = 0;
        int all = 0;
        Packet target = Packet.Create(async (_, context) =>
        {
            if (Interlocked.Increment(ref handled) % all == 1)
                await gate.WaitAsync(context.Connection.Closing); // holds back the first one, so that all the others wait
        });
        await using var scene = new Scene(side, options => options with { MaxReadAheadBytes = 16 * KiB }, _ => target);
        using var measure = new MemoryMeasure { Rounds = 1 };
        (_, long hundred) = await measure.MeasureLeastAsync(() => FloodAsync(frames, count));
        (_, long thousand) = await measure.MeasureLeastAsync(() => FloodAsync(ten, 10 * count));
        Assert.InRange(hundred, 1, (16 * KiB) + (2 * MostInOneReceive) + MemoryMeasure.SmallestBuffers);
        Assert.InRange(thousand, 1, (16 * KiB) + (2 * MostInOneReceive) + MemoryMeasure.SmallestBuffers);

        async Task FloodAsync(byte[] bytes, int packets)
        {
            (handled, all) = (0, packets);
            await using Encounter encounter = await scene.Peer.OpenAsync();
            await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
            Connection connection = await encounter.MadeAsync();
            Task sending = encounter.Raw.SendAsync(bytes);
            await Bounded.UntilAsync(() => Volatile.Read(ref handled) == 1);
            await Bounded.UntilAsync(() =>
            {
                scene.Time.Advance(Second); // a handler that takes more than a heartbeat is slow: it is read ahead
                return connection.HeldBytes >= 16 * KiB;
            });
            gate.Release();
            await sending;
            await Bounded.UntilAsync(() => Volatile.Read(ref handled) == packets);
            await encounter.Raw.SendAsync(WireBytes.SoftQuit("reason.bye"));
            await encounter.EndedAsync();
        }
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task Q08_a_side_that_reads_nothing_takes_no_more_memory_than_may_wait(Side side)
    {
        const int most = 256 * KiB;
        const int packet = 90_000;
        await using var scene = new Scene(side, options => options with { MaxPendingSendBytes = most });
        using var measure = new MemoryMeasure { Rounds = 1 };
        byte[] payload = new byte[packet];
        (_, long pooled) = await measure.MeasureLeastAsync(FillAsync);

        // The frame that has to wait for room is its sender's.
        Assert.InRange(pooled, packet, most + (2 * 128 * KiB) + MemoryMeasure.SmallestBuffers);

        async Task FillAsync()
        {
            await using Encounter encounter = await scene.Peer.OpenAsync();
            await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
            Connection connection = await encounter.MadeAsync();
            encounter.Raw.StopReading();
            Task sending;
            do
                sending = connection.SendAsync("app:reply", payload).AsTask();
            while (sending.IsCompletedSuccessfully);
            Task quitting = connection.SoftQuitAsync("reason.bye");
            await Bounded.UntilAsync(() =>
            {
                scene.Time.Advance(Second);
                return connection.Closed.IsCompleted;
            });
            await quitting.Soon();
            Assert.True(await Record.ExceptionAsync(() => sending.Soon()) is null or ConnectionClosedException);
        }
    }

    /// <summary>Each map lists other names, and is accepted. All that may be left of them is the last one, for the next connection that announces the same.</summary>
    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task R15_the_memory_of_hostile_id_maps_goes_with_their_connections(Side side)
    {
        const int names = 1_000;
        await using var scene = new Scene(side, options => options with { PacketMismatch = PacketMismatch.Allow }, adapts: true);
        long ofOne = await KeptAfterAsync(from: 0, count: 1);
        long ofForty = await KeptAfterAsync(from: 1, count: 40);
        Assert.InRange(ofForty - ofOne, long.MinValue, 400 * KiB); // one of these maps is about 200 KiB

        async Task<long> KeptAfterAsync(int from, int count)
        {
            for (int map = from; map < from + count; map++)
            {
                (string, int)[] hostile = [.. TargetLog.Packets, .. Enumerable.Range(0, names).Select(i => ($"hostile:{map}:{i}", 100 + i))];
                await using Encounter encounter = await scene.Peer.OpenAsync();
                await encounter.Raw.SendAsync((byte[])[.. WireBytes.Init, .. WireBytes.IdMap(adapt: false, hostile), .. WireBytes.Finish]);
                await encounter.MadeAsync();
                await encounter.Raw.SendAsync(WireBytes.SoftQuit("reason.bye"));
                Assert.Equal("reason.bye", (await encounter.EndedAsync()).Reason.Name);
            }

            return GC.GetTotalMemory(forceFullCollection: true);
        }
    }

    private static async Task TimeOutAsync(Scene scene, byte[] first, byte[]? atNineSeconds = null)
    {
        await using Encounter encounter = await scene.Peer.OpenAsync();
        await encounter.Raw.SendAsync(first);
        Assert.Equal(WireBytes.Init, await encounter.Raw.ReadFrameAsync());
        for (int second = 0; second < 10; second++)
        {
            if (second == 9 && atNineSeconds is not null)
                await encounter.Raw.SendAsync(atNineSeconds);
            scene.Time.Advance(Second);
        }

        await EndsAsync(encounter, CloseReason.HandshakeTimeout);
    }

    private static async Task StallAsync(Scene scene, byte[] bytes, int handled)
    {
        await using Encounter encounter = await scene.Peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, scene.Side == Side.Client);
        await encounter.Raw.SendAsync(bytes);
        for (int i = 0; i < handled; i++)
            Assert.Equal(WireBytes.Frame(TargetLog.ReplyId, 0xc0), await encounter.Raw.ReadFrameAsync());
        Connection connection = await encounter.MadeAsync();
        int rest = bytes.Length - (handled * BadInputTable.ToTarget([0xc0]).Length);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == rest);
        for (int second = 0; second < 6; second++)
            scene.Time.Advance(Second);
        await EndsAsync(encounter, CloseReason.StalledFrame);
    }

    private static async Task ResetAsync(Scene scene)
    {
        await using Encounter encounter = await scene.Peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, scene.Side == Side.Client);
        await encounter.Raw.SendAsync(WireBytes.SoftQuit("reason.bye"));
        encounter.Raw.Reset();
        await encounter.EndedAsync();
    }

    // It is refused, goes on sending, and never closes.
    private static async Task NeverCloseAsync(Scene scene)
    {
        await using Encounter encounter = await scene.Peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, scene.Side == Side.Client);
        Connection connection = await encounter.MadeAsync();
        await encounter.Raw.SendAsync(BadInputTable.All["F01"].Bytes);
        Assert.Equal(WireBytes.SoftQuit(CloseReason.FrameTooLarge), (await encounter.Raw.ReadToEndAsync())[^1]);
        await encounter.Raw.TrySendAsync(Nonsense);
        await Bounded.UntilAsync(() =>
        {
            scene.Time.Advance(Second);
            return connection.Closed.IsCompleted;
        });
        Assert.Equal(CloseReason.FrameTooLarge, (await encounter.EndedAsync()).Reason);
    }

    private static async Task ThrowAsync(Scene scene)
    {
        await using Encounter encounter = await scene.Peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, scene.Side == Side.Client);
        await encounter.Raw.SendAsync(BadInputTable.ToTarget([0xc3]));
        await EndsAsync(encounter, CloseReason.HandlerFailed);
    }

    private static async Task EndsAsync(Encounter encounter, CloseReason reason)
    {
        Assert.Equal(WireBytes.SoftQuit(reason), (await encounter.Raw.ReadToEndAsync())[^1]);
        await encounter.Raw.DisposeAsync();
        Assert.Equal(reason, (await encounter.EndedAsync()).Reason);
    }

    /// <summary>A peer on a clock that only the test moves.</summary>
    private sealed class Scene : IAsyncDisposable
    {
        public Scene(Side side, Func<PeerOptions, PeerOptions>? change = null, Func<TargetLog, Packet>? target = null, bool? adapts = null)
        {
            Side = side;
            var options = new PeerOptions { TimeProvider = Time, HandlerFailure = HandlerFailureAction.Close };
            Peer = new PeerUnderTest(
                side, Log.NewRegistry(adapts ?? side == Side.Client, target ?? ThrowingIfTrue), change?.Invoke(options) ?? options);
        }

        public Side Side { get; }

        public WatchedTime Time { get; } = new();

        public TargetLog Log { get; } = new();

        public PeerUnderTest Peer { get; }

        public ValueTask DisposeAsync() => Peer.DisposeAsync();

        private static Packet ThrowingIfTrue(TargetLog log) => Packet.Create(
            (data, context) => data is true ? throw new InvalidTimeZoneException("thrown on purpose") : context.ReplyAsync("app:reply", null));
    }
}
