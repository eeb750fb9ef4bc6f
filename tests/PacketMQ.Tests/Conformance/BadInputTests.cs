using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// The catalogue of bad input against a real server and a real client over TCP. While each case happens, a second connection of the
/// same peer goes on exchanging packets and notices nothing. (Memory: <see cref="BadInputMemoryTests"/>.)
/// </summary>
public sealed class BadInputTests
{
    private static readonly Side[] Sides = [Side.Server, Side.Client];

    public static TheoryData<string, Side> Rows { get; } = [.. from name in BadInputTable.All.Keys from side in Sides select (name, side)];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Bad_input_is_answered_as_written(string name, Side side)
    {
        BadInput input = BadInputTable.All[name];
        var log = new TargetLog();
        var journal = new Journal();
        PacketRegistry registry = log.NewRegistry(input.Adapts ?? side == Side.Client, input.Target);
        await using (var peer = new PeerUnderTest(side, registry, input.Options(new PeerOptions { LoggerFactory = journal })))
        {
            await using Bystander bystander = await Bystander.ConnectAsync(peer);
            bystander.Start();
            await BadInputRun.AttackAsync(peer, input, log);
            await bystander.StopAsync();
            Assert.True(bystander.Exchanges > 1);
        }

        Assert.Equal(TargetLog.Packets, registry.PacketNames.Select(packet => (packet, registry.GetId(packet))));
        Assert.All(journal.Lines, line => Assert.DoesNotContain(line.Message, char.IsControl));
        Assert.DoesNotContain(journal.Lines, line => line.Level == LogLevel.Critical);
        if (input.Reason is { } reason)
        {
            Assert.Contains(
                journal.Lines,
                line => line.Message.Contains(reason.Name, StringComparison.Ordinal) && line.Message.Contains(input.Hint, StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task F12_one_byte_a_segment_brings_the_same_packets_in_the_same_order(Side side)
    {
        byte[] session =
        [
            .. WireBytes.Init, .. Handshake.IdMap(side == Side.Client), .. WireBytes.Finish,
            .. Enumerable.Range(0, 20).SelectMany(i => WireBytes.Frame(TargetLog.EchoId, WireBytes.Number(i * 1_000))),
            .. WireBytes.SoftQuit("reason.bye"),
        ];
        string[] whole = await PlayAsync(raw => raw.SendAsync(session));
        string[] bytes = await PlayAsync(raw => raw.SendOneByOneAsync(session));
        Assert.Equal(whole, bytes);
        Assert.Equal(23, whole.Length);

        async Task<string[]> PlayAsync(Func<RawPeer, Task> send)
        {
            await using var peer = new PeerUnderTest(side, new TargetLog().NewRegistry(side == Side.Client, TargetLog.Dynamic));
            await using Encounter encounter = await peer.OpenAsync();
            await send(encounter.Raw);
            List<byte[]> frames = await encounter.Raw.ReadToEndAsync();
            Assert.Equal("reason.bye", (await encounter.EndedAsync()).Reason.Name);
            return [.. frames.Select(Convert.ToHexString)];
        }
    }

    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task F13_ten_thousand_frames_in_one_write_arrive_in_order_one_at_a_time(Side side)
    {
        const int count = 10_000;
        var arrived = new ConcurrentQueue<int>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int running = 0;
        int mostAtOnce = 0;
        Packet target = Packet.Create(async (data, _) =>
        {
            mostAtOnce = Math.Max(mostAtOnce, Interlocked.Increment(ref running));
            await gate.Task; // holds back the first one, so that all the others wait
            arrived.Enqueue((int)(long)((object?[])data!)[0]!);
            Interlocked.Decrement(ref running);
            if (arrived.Count == count)
                all.TrySetResult();
        });
        PacketRegistry registry = new TargetLog().NewRegistry(side == Side.Client, _ => target);
        await using var peer = new PeerUnderTest(side, registry, new PeerOptions { MaxReadAheadBytes = 16 * 1024 });
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        await using Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
        byte[] frames = [.. Enumerable.Range(0, count).SelectMany(i => BadInputTable.ToTarget([0x91, 0xcd, (byte)(i >> 8), (byte)i]))];
        Assert.Equal(100_000, frames.Length);
        await encounter.Raw.SendAsync(frames);
        await bystander.ExchangeAsync(10);
        gate.SetResult();
        await all.Task.WaitAsync(RawPeer.Patience, TestContext.Current.CancellationToken);
        await bystander.ExchangeAsync(1);
        Assert.Equal(Enumerable.Range(0, count), arrived);
        Assert.Equal(1, mostAtOnce);
    }

    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task Q07_the_reason_before_a_reset_is_not_lost(Side side)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("Only Linux keeps what arrived before a reset.");
        await using var peer = new PeerUnderTest(side, new TargetLog().NewRegistry(side == Side.Client, TargetLog.Dynamic));
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        for (int i = 0; i < 20; i++)
        {
            await using Encounter encounter = await peer.OpenAsync();
            await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
            await encounter.Raw.SendAsync(WireBytes.SoftQuit("reason.bye"));
            encounter.Raw.Reset();
            CloseInfo end = await encounter.EndedAsync();
            Assert.Equal(("reason.bye", CloseInitiator.Remote), (end.Reason.Name, end.Initiator));
        }

        await bystander.StopAsync();
    }

    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task R15_hostile_id_maps_change_nothing_for_other_connections(Side side)
    {
        var log = new TargetLog();
        PacketRegistry registry = log.NewRegistry(adapts: true, TargetLog.Dynamic);
        await using var peer = new PeerUnderTest(side, registry);
        await using Bystander before = await Bystander.ConnectAsync(peer);
        foreach (BadInput input in BadInputTable.All.Values.Where(input => input.Id[0] == 'R' && input.Adapts == true))
            await BadInputRun.AttackAsync(peer, input, log);
        await using (Encounter other = await peer.OpenAsync())
        {
            // Lawful, and with other ids: its map counts for it alone.
            (string Name, int Id)[] swapped = [("app:target", 20), ("app:reply", 19), ("app:echo", 18), ("app:echoreply", 17)];
            await other.Raw.SendAsync((byte[])[.. WireBytes.Init, .. WireBytes.IdMap(adapt: false, swapped), .. WireBytes.Finish]);
            Connection connection = await other.MadeAsync();
            await connection.SendAsync("app:echo", 1, TestContext.Current.CancellationToken);
            List<byte[]> frames = [];
            while (frames.Count < 4 && await other.Raw.ReadFrameAsync() is { } frame)
                frames.Add(frame);
            Assert.Equal(WireBytes.Frame(18, 1), frames[^1]);
        }

        await using Bystander after = await Bystander.ConnectAsync(peer);
        await before.StopAsync();
        await after.StopAsync();
        Assert.Equal(TargetLog.Packets, registry.PacketNames.Select(packet => (packet, registry.GetId(packet))));
    }

    [Theory]
    [InlineData(Side.Server, HandlerFailureAction.Continue)]
    [InlineData(Side.Server, HandlerFailureAction.Close)]
    [InlineData(Side.Client, HandlerFailureAction.Continue)]
    [InlineData(Side.Client, HandlerFailureAction.Close)]
    public async Task S10_a_handler_that_throws_meets_the_policy_once(Side side, HandlerFailureAction action)
    {
        Packet target = Packet.Create((_, _) => throw new InvalidTimeZoneException("thrown on purpose"));
        PacketRegistry registry = new TargetLog().NewRegistry(side == Side.Client, _ => target);
        await using var peer = new PeerUnderTest(side, registry, new PeerOptions { HandlerFailure = action });
        int failures = 0;
        peer.Peer.HandlerFailed += (_, e) =>
        {
            Assert.IsType<InvalidTimeZoneException>(e.Exception);
            Interlocked.Increment(ref failures);
        };
        await using Bystander bystander = await Bystander.ConnectAsync(peer);
        bystander.Start();
        await using (Encounter encounter = await peer.OpenAsync())
        {
            await Handshake.GoThroughAsync(encounter, Stage.Active, side == Side.Client);
            byte[] echo = WireBytes.Frame(TargetLog.EchoId, 0xc0);
            await encounter.Raw.SendAsync((byte[])[.. BadInputTable.ToTarget([0xc0]), .. echo, .. WireBytes.SoftQuit("reason.bye")]);
            List<byte[]> frames = await encounter.Raw.ReadToEndAsync();
            CloseReason expected = action == HandlerFailureAction.Close ? CloseReason.HandlerFailed : "reason.bye";
            Assert.Equal(expected, (await encounter.EndedAsync()).Reason);
            byte[] answer = action == HandlerFailureAction.Close
                ? WireBytes.SoftQuit(CloseReason.HandlerFailed)
                : WireBytes.Frame(TargetLog.EchoReplyId, 0xc0);
            Assert.Equal([Convert.ToHexString(answer)], frames.Select(Convert.ToHexString));
        }

        await bystander.StopAsync();
        Assert.Equal(1, failures);
    }

    /// <summary>Keeps all that a peer logs.</summary>
    private sealed class Journal : ILoggerFactory
    {
        private readonly FakeLogCollector _collector = new();

        public IEnumerable<FakeLogRecord> Lines => _collector.GetSnapshot();

        public ILogger CreateLogger(string categoryName) => new FakeLogger(_collector, categoryName);

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
