using System.Net;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class PeerOptionsTests
{
    private static readonly PeerOptions Good = new();

    public static TheoryData<string, PeerOptions> Bad => new()
    {
        { nameof(PeerOptions.MaxHandshakeFrameBytes), Good with { MaxHandshakeFrameBytes = 0 } },
        { nameof(PeerOptions.MaxHandshakeFrameBytes), Good with { MaxHandshakeFrameBytes = 63 } },
        { nameof(PeerOptions.MaxHandshakeFrameBytes), Good with { MaxHandshakeFrameBytes = int.MaxValue } },
        { nameof(PeerOptions.MaxIdMapFrameBytes), Good with { MaxIdMapFrameBytes = 0 } },
        { nameof(PeerOptions.MaxIdMapFrameBytes), Good with { MaxIdMapFrameBytes = -1 } },
        { nameof(PeerOptions.MaxFrameBytes), Good with { MaxFrameBytes = 0 } },
        { nameof(PeerOptions.MaxFrameBytes), Good with { MaxFrameBytes = -1 } },
        { nameof(PeerOptions.MaxFrameBytes), Good with { MaxFrameBytes = int.MaxValue } },
        { nameof(PeerOptions.MaxDepth), Good with { MaxDepth = 0 } },
        { nameof(PeerOptions.MaxDepth), Good with { MaxDepth = -1 } },
        { nameof(PeerOptions.MaxDepth), Good with { MaxDepth = 257 } },
        { nameof(PeerOptions.MaxItemsPerPacket), Good with { MaxItemsPerPacket = 0 } },
        { nameof(PeerOptions.MaxItemsPerPacket), Good with { MaxItemsPerPacket = -1 } },
        { nameof(PeerOptions.MaxDynamicExpansion), Good with { MaxDynamicExpansion = 0 } },
        { nameof(PeerOptions.MaxDynamicExpansion), Good with { MaxDynamicExpansion = -1 } },
        { nameof(PeerOptions.MaxPacketTypes), Good with { MaxPacketTypes = 0 } },
        { nameof(PeerOptions.MaxPacketTypes), Good with { MaxPacketTypes = 3 } },
        { nameof(PeerOptions.MaxPacketTypes), Good with { MaxPacketTypes = 65_537 } },
        { nameof(PeerOptions.HandshakeTimeout), Good with { HandshakeTimeout = TimeSpan.Zero } },
        { nameof(PeerOptions.HandshakeTimeout), Good with { HandshakeTimeout = Timeout.InfiniteTimeSpan } },
        { nameof(PeerOptions.HandshakeTimeout), Good with { HandshakeTimeout = TimeSpan.MaxValue } },
        { nameof(PeerOptions.MinReceiveRate), Good with { MinReceiveRate = 0 } },
        { nameof(PeerOptions.MinReceiveRate), Good with { MinReceiveRate = -1 } },
        { nameof(PeerOptions.MinReceiveRateGracePeriod), Good with { MinReceiveRateGracePeriod = TimeSpan.Zero } },
        { nameof(PeerOptions.MinReceiveRateGracePeriod), Good with { MinReceiveRateGracePeriod = TimeSpan.FromTicks(-1) } },
        { nameof(PeerOptions.CloseTimeout), Good with { CloseTimeout = TimeSpan.Zero } },
        { nameof(PeerOptions.CloseTimeout), Good with { CloseTimeout = TimeSpan.FromTicks(-1) } },
        { nameof(PeerOptions.MaxPendingSendBytes), Good with { MaxPendingSendBytes = 0 } },
        { nameof(PeerOptions.MaxPendingSendBytes), Good with { MaxPendingSendBytes = -1 } },
        { nameof(PeerOptions.MaxPendingSendBytes), Good with { MaxPendingSendBytes = 100_002 } },
        { nameof(PeerOptions.MaxWaitingSendBytes), Good with { MaxWaitingSendBytes = 0 } },
        { nameof(PeerOptions.MaxWaitingSendBytes), Good with { MaxWaitingSendBytes = 99_998 } },
        { nameof(PeerOptions.MaxWaitingSends), Good with { MaxWaitingSends = 0 } },
        { nameof(PeerOptions.MaxWaitingSends), Good with { MaxWaitingSends = -1 } },
        { nameof(PeerOptions.SendTimeout), Good with { SendTimeout = TimeSpan.Zero } },
        { nameof(PeerOptions.SendTimeout), Good with { SendTimeout = Timeout.InfiniteTimeSpan } },
        { nameof(PeerOptions.ReceiveSpin), Good with { ReceiveSpin = TimeSpan.FromTicks(-1) } },
        { nameof(PeerOptions.ReceiveSpin), Good with { ReceiveSpin = TimeSpan.FromMicroseconds(1_001) } },
        { nameof(PeerOptions.MaxReadAheadBytes), Good with { MaxReadAheadBytes = 0 } },
        { nameof(PeerOptions.MaxReadAheadBytes), Good with { MaxReadAheadBytes = -1 } },
        { nameof(PeerOptions.MaxConnections), Good with { MaxConnections = 0 } },
        { nameof(PeerOptions.MaxConnections), Good with { MaxConnections = -1 } },
        { nameof(PeerOptions.MaxPendingHandshakes), Good with { MaxPendingHandshakes = 0 } },
        { nameof(PeerOptions.MaxPendingHandshakes), Good with { MaxPendingHandshakes = -1 } },
        { nameof(PeerOptions.MaxPendingHandshakesPerAddress), Good with { MaxPendingHandshakesPerAddress = 0 } },
        { nameof(PeerOptions.MaxPendingHandshakesPerAddress), Good with { MaxPendingHandshakesPerAddress = -1 } },
        { nameof(PeerOptions.MaxTotalBufferedBytes), Good with { MaxTotalBufferedBytes = 0 } },
        { nameof(PeerOptions.MaxTotalBufferedBytes), Good with { MaxTotalBufferedBytes = -1 } },
        { nameof(PeerOptions.MaxFrameBytes), Good with { MaxTotalBufferedBytes = 2_000_000, MaxFrameBytes = 2_000_001 } },
        { nameof(PeerOptions.MaxPendingSendBytes), Good with { MaxTotalBufferedBytes = 2_000_000, MaxPendingSendBytes = 2_000_001 } },
        { nameof(PeerOptions.MaxHandshakeFrameBytes), Good with { MaxTotalBufferedBytes = 2_000_000, MaxHandshakeFrameBytes = 2_000_001 } },
        { nameof(PeerOptions.MaxIdMapFrameBytes), Good with { MaxTotalBufferedBytes = 2_000_000, MaxIdMapFrameBytes = 2_000_001 } },
        { nameof(PeerOptions.MaxReadAheadBytes), Good with { MaxTotalBufferedBytes = 2_000_000, MaxReadAheadBytes = 2_000_001 } },
        { nameof(PeerOptions.AcceptBacklog), Good with { AcceptBacklog = 0 } },
        { nameof(PeerOptions.AcceptBacklog), Good with { AcceptBacklog = -1 } },
        { nameof(PeerOptions.RequireTls), Good with { RequireTls = true } },
        { nameof(PeerOptions.TimeProvider), Good with { TimeProvider = null! } },
        { nameof(PeerOptions.LoggerFactory), Good with { LoggerFactory = null! } },
        { nameof(PeerOptions.FallbackPacket), Good with { FallbackPacket = Registries.Sink() } },
        { nameof(PeerOptions.SlowReceiver), Good with { SlowReceiver = (SlowReceiverAction)9 } },
        { nameof(PeerOptions.SlowReceiver), Good with { SlowReceiver = (SlowReceiverAction)(-1) } },
        { nameof(PeerOptions.PacketMismatch), Good with { PacketMismatch = (PacketMismatch)9 } },
        { nameof(PeerOptions.UnknownPacket), Good with { UnknownPacket = (RefusalAction)9 } },
        { nameof(PeerOptions.UnfitPayload), Good with { UnfitPayload = (RefusalAction)9 } },
        { nameof(PeerOptions.HandlerFailure), Good with { HandlerFailure = (HandlerFailureAction)9 } },
    };

    [Theory, MemberData(nameof(Bad), DisableDiscoveryEnumeration = true)]
    public void A_value_out_of_its_range_is_refused_by_every_peer_and_named(string option, PeerOptions options)
    {
        foreach (Action make in new Action[]
        {
            () => _ = new Server(new PacketRegistry(), options), () => _ = new Client(new PacketRegistry(), options),
            () => _ = new MemoryServer(new PacketRegistry(), options), () => _ = new MemoryClient(new PacketRegistry(), options),
        })
        {
            var refused = Assert.ThrowsAny<ArgumentException>(make);
            Assert.Contains(option, refused.Message);
        }
    }

    [Fact]
    public async Task The_edges_of_the_ranges_and_unlimited_as_null_are_allowed()
    {
        foreach (PeerOptions options in new[]
        {
            Good,
            new PeerOptions
            {
                MaxHandshakeFrameBytes = 64, MaxIdMapFrameBytes = 64, MaxFrameBytes = 64, MaxDepth = 1, MaxItemsPerPacket = 1, MaxPacketTypes = 4, MaxDynamicExpansion = null,
                MinReceiveRate = null, SendTimeout = null, MaxPendingSendBytes = 100_003, MaxWaitingSendBytes = 99_999,
                MaxWaitingSends = 1, MaxReadAheadBytes = 1, MaxConnections = null, MaxPendingHandshakes = null,
                MaxPendingHandshakesPerAddress = null, MaxTotalBufferedBytes = null, AcceptBacklog = 1,
                HandshakeTimeout = TimeSpan.FromTicks(1), CloseTimeout = TimeSpan.FromDays(24), ReceiveSpin = TimeSpan.FromMilliseconds(1),
            },
            new PeerOptions
            {
                MaxHandshakeFrameBytes = 2_000_000, MaxIdMapFrameBytes = 2_000_000, MaxFrameBytes = 2_000_000, MaxPendingSendBytes = 2_000_000,
                MaxReadAheadBytes = 2_000_000, MaxTotalBufferedBytes = 2_000_000,
            },
            new PeerOptions { PacketMismatch = PacketMismatch.Allow, FallbackPacket = Registries.Sink(), MaxDepth = 256, MaxDynamicExpansion = 1, MaxPacketTypes = 65_536 },
        })
        {
            await using var server = new Server(new PacketRegistry(), options);
            Assert.Same(options, server.Options);
        }

        await using var plain = new Server(new PacketRegistry());
        Assert.Equal(Good, plain.Options);
        Assert.Throws<ArgumentNullException>(() => new Server(null!));
    }

    [Fact]
    public async Task A_TLS_handshake_never_has_longer_than_the_whole_handshake()
    {
        var time = new WatchedTime();
        await using var server = new Server(new PacketRegistry(), new PeerOptions
        {
            HandshakeTimeout = TimeSpan.FromSeconds(3),
            Tls = TestTls.ForServers with { HandshakeTimeout = TimeSpan.FromMinutes(1) },
            TimeProvider = time,
        });
        CloseInfo? refused = null;
        server.ConnectionRefused += (_, arguments) => refused = arguments.CloseInfo;
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await silent.ConnectAsync(server.Listen(new IPEndPoint(IPAddress.Loopback, 0)), TestContext.Current.CancellationToken);
        await time.BeatUntilAsync(() => refused is not null);
        Assert.Equal((CloseReason.HandshakeTimeout, "The handshake took longer than 3 s."), (refused!.Reason, refused.Description));
    }

    [Fact]
    public async Task The_limits_are_those_of_the_connection()
    {
        foreach ((PeerOptions options, byte[] frame, CloseReason reason) in new[]
        {
            (new PeerOptions { MaxFrameBytes = 64 }, RawEnd.Frame(17, [0xc4, 70, .. new byte[70]]), CloseReason.FrameTooLarge),
            (new PeerOptions { MaxDepth = 2 }, RawEnd.Frame(17, 0x91, 0x91, 0x91, 1), CloseReason.DepthExceeded),
            (new PeerOptions { MaxItemsPerPacket = 3 }, RawEnd.Frame(17, 0x93, 1, 2, 3), CloseReason.TooManyItems),
            (new PeerOptions { MaxDynamicExpansion = 1 }, RawEnd.Frame(17, [0xdc, 0x27, 0x10, .. new byte[10_000]]), CloseReason.TooManyItems),
        })
        {
            await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), options);
            await using RawEnd raw = await RawEnd.ConnectAsync(pair);
            await raw.WriteAsync(frame);
            Assert.Equal(reason, await raw.ReadSoftQuitAsync());
        }
    }
}
