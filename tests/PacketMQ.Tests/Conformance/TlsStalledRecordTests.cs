using System.Net.Security;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// A TLS record that has begun and does not end, on a clock that only the test moves. What is in it can't be seen before its last byte; that
/// it has begun can, and it costs as much as a frame that does not end.
/// </summary>
public sealed class TlsStalledRecordTests
{
    private const int RecordBufferBytes = 32 * 1024;
    private const int PacketId = 17;

    private readonly WatchedTime _time = new();
    private readonly Queue<byte[]> _kept = new();
    private bool _keeps;

    public static TheoryData<Side> BothSides { get; } = [Side.Server, Side.Client];

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task A_record_that_stands_still_ends_the_connection(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = _time });
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        Connection connection = await scene.MadeAsync();
        byte[] record = await EncryptAsync(ssl, WireBytes.Frame(PacketId, 0xc0));
        await SendAsync(raw, connection, record[..^1]);
        _time.Beat(5);
        Assert.False(connection.Closing.IsCancellationRequested);
        _time.Beat(1);

        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.StalledFrame, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("A TLS record arrives at 0 bytes/s", end.Description, StringComparison.Ordinal);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task A_record_that_arrives_just_fast_enough_is_left_alone(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = _time });
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        Connection connection = await scene.MadeAsync();
        byte[] record = await EncryptAsync(ssl, WireBytes.Frame(PacketId, [0xc5, 0x0f, 0xa0, .. new byte[4_000]]));
        int sent = 0;
        for (; sent + 240 < record.Length; sent += 240)
        {
            await SendAsync(raw, connection, record.AsMemory(sent, 240), sent + 240);
            _time.Beat(1);
        }

        await raw.SendAsync(record.AsMemory(sent), TestContext.Current.CancellationToken);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == 0);
        Assert.False(connection.Closing.IsCancellationRequested);
        await scene.AssertNothingElseHappenedAsync();
    }

    /// <summary>A record costs 22 bytes and more beside what is in it: they are none of the frame's.</summary>
    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task A_frame_does_not_arrive_faster_for_being_cut_into_many_records(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = _time });
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        Connection connection = await scene.MadeAsync();
        byte[] frame = WireBytes.Frame(PacketId, [0xc4, 200, .. new byte[200]]);
        // A window may begin anew when a heartbeat meets the loop at work, so it gets ten seconds and not six.
        for (int second = 0; second < 10 && !connection.Closing.IsCancellationRequested; second++)
        {
            for (int i = 0; i < 20; i++)
                await raw.SendAsync(await EncryptAsync(ssl, frame[((20 * second) + i)..][..1]), TestContext.Current.CancellationToken);
            int sent = 20 * (second + 1);
            await Bounded.UntilAsync(() => connection.IncompleteBytes == sent);
            _time.Beat(1);
        }

        Assert.True(connection.Closing.IsCancellationRequested, "The records' own bytes counted.");
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.StalledFrame, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains("A frame arrives at", end.Description, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task What_comes_behind_a_whole_record_in_the_same_piece_counts_too(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = _time });
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        Connection connection = await scene.MadeAsync();
        byte[] first = await EncryptAsync(ssl, WireBytes.Frame(PacketId, 0xc0));
        byte[] second = await EncryptAsync(ssl, WireBytes.Frame(PacketId, 0xc0));
        await raw.SendAsync((byte[])[.. first, .. second[..3]], TestContext.Current.CancellationToken);
        await _time.BeatUntilAsync(() => connection.HeldBytes == RecordBufferBytes);
        await _time.BeatUntilAsync(() => scene.HasEnded);
        Assert.Equal(CloseReason.StalledFrame, (await scene.EndedAsync()).Reason);
    }

    [Theory]
    [InlineData(Side.Server, "17 03 03 ff ff 00", "65535 bytes follow")]
    [InlineData(Side.Client, "17 03 03 ff ff 00", "65535 bytes follow")]
    [InlineData(Side.Server, "3f 00 01 03 00", "the version 0.x")]
    [InlineData(Side.Client, "3f 00 01 03 00", "the version 0.x")]
    public async Task A_record_that_there_can_not_be_ends_the_connection_at_its_header(Side side, string header, string what)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        await scene.MadeAsync();
        await raw.SendAsync(WireBytes.Hex(header), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Contains(what, end.Description, StringComparison.Ordinal);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task What_is_held_for_a_record_counts(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { TimeProvider = _time });
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        Connection connection = await scene.MadeAsync();
        byte[] record = await EncryptAsync(ssl, WireBytes.Frame(PacketId, 0xc0));
        await SendAsync(raw, connection, record[..3]);
        _time.Beat(2);
        Assert.Equal(RecordBufferBytes, connection.HeldBytes);

        await raw.SendAsync(record.AsMemory(3), TestContext.Current.CancellationToken);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == 0);
        await _time.BeatUntilAsync(() => connection.HeldBytes == 0);
        Assert.False(connection.Closing.IsCancellationRequested);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task A_record_does_not_stand_still_while_a_handler_blocks_the_thread_that_would_read_it()
    {
        using var echoes = new BlockingWriter();
        await using var scene = await TlsScene.BeginAsync(Side.Server, new PeerOptions { TimeProvider = _time }, echoes: echoes);
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await GoActiveAsync(scene, raw);
        Connection connection = await scene.MadeAsync();
        byte[] first = await EncryptAsync(ssl, WireBytes.Frame(PacketId, 0xc0));
        byte[] second = await EncryptAsync(ssl, WireBytes.Frame(PacketId, 0xc0));
        echoes.Blocks = true;
        await raw.SendAsync((byte[])[.. first, .. second[..3]], TestContext.Current.CancellationToken);
        await echoes.Entered.WaitAsync(TestContext.Current.CancellationToken);
        _time.Beat(20);
        bool isEnding = connection.Closing.IsCancellationRequested;
        echoes.Blocks = false;
        echoes.GoOn.Set();
        Assert.False(isEnding);

        await raw.SendAsync(second.AsMemory(3), TestContext.Current.CancellationToken);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == 0);
        await scene.AssertNothingElseHappenedAsync();
    }

    private static Task SendAsync(Socket raw, Connection connection, byte[] part) => SendAsync(raw, connection, part, part.Length);

    private static async Task SendAsync(Socket raw, Connection connection, ReadOnlyMemory<byte> part, int arrived)
    {
        await raw.SendAsync(part, TestContext.Current.CancellationToken);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == arrived);
    }

    private async Task<SslStream> GoActiveAsync(TlsScene scene, Socket raw)
    {
        SslStream ssl = await scene.ShakeHandsAsync(
            raw, stream => new MeddledStream(stream, KeepOrPass), [new SslApplicationProtocol("packetmq/1")]);
        bool adapts = scene.Side == Side.Server;
        await ssl.WriteAsync(
            (byte[])[.. WireBytes.Init, .. WireBytes.IdMap(adapts, (Registries.Name, PacketId)), .. WireBytes.Finish], TestContext.Current.CancellationToken);
        return ssl;
    }

    private IEnumerable<byte[]> KeepOrPass(byte[] bytes, int write)
    {
        if (!_keeps)
            return [bytes];
        _kept.Enqueue(bytes);
        return [];
    }

    /// <summary>The record that the stream makes of the bytes, unsent.</summary>
    private async Task<byte[]> EncryptAsync(SslStream ssl, byte[] bytes)
    {
        _keeps = true;
        await ssl.WriteAsync(bytes, TestContext.Current.CancellationToken);
        return _kept.Dequeue();
    }

    private sealed class BlockingWriter : StringWriter
    {
        public SemaphoreSlim Entered { get; } = new(0);

        public ManualResetEventSlim GoOn { get; } = new();

        public bool Blocks { get; set; }

        public override void WriteLine(string? value)
        {
            if (!Blocks)
                return;
            Entered.Release();
            GoOn.Wait(Bounded.Limit);
        }

        protected override void Dispose(bool disposing)
        {
            Entered.Dispose();
            GoOn.Dispose();
            base.Dispose(disposing);
        }
    }
}
