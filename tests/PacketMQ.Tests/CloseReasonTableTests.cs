using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using System.Text.RegularExpressions;
using PacketMQ.Tests.Conformance;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>Causes each row of the documentation's table of reasons over TCP, and compares what both ends see with what is written.</summary>
public sealed partial class CloseReasonTableTests
{
    private const string Nothing = "nothing";
    private const string Cut = "cut";

    private static readonly Dictionary<string, string[]> Rows = DocumentationTests.ReasonRows().ToDictionary(row => row[0].Trim('`'));

    private static readonly Dictionary<string, Func<Task<Ends>>> Causes = new()
    {
        [nameof(CloseReason.Unknown)] = () => BetweenPeersAsync((client, _) => client.SoftQuitAsync()),
        [nameof(CloseReason.Generic)] = GenericAsync,
        [nameof(CloseReason.VersionMismatch)] = () => InHandshakeAsync(RawEnd.Frame(0, [0x81, 0xc4, 7, .. "version"u8, 2])),
        [nameof(CloseReason.SameAdaptivePolicy)] = () => BetweenStrangersAsync(Registries.Server(Registries.Sink()), Registries.Server(Registries.Sink())),
        [nameof(CloseReason.NonEqualPackets)] = () => BetweenStrangersAsync(
            Registries.Server(("a:one", Registries.Sink())), Registries.Client(("a:two", Registries.Sink())), noticedByClient: true),
        [nameof(CloseReason.Shutdown)] = () => BetweenPeersAsync((client, _) => client.Peer.StopAsync()),
        [nameof(CloseReason.Aborted)] = () => BetweenPeersAsync((client, _) =>
        {
            client.Abort();
            return Task.CompletedTask;
        }),
        [nameof(CloseReason.Disconnected)] = () => OnceActiveAsync([], ends: true),
        [nameof(CloseReason.TruncatedFrame)] = () => OnceActiveAsync([0, 0, 0], ends: true),
        [nameof(CloseReason.TruncatedStream)] = TruncatedStreamAsync,
        [nameof(CloseReason.TlsRequired)] = TlsRequiredAsync,
        [nameof(CloseReason.TlsFailed)] = () => WithTlsAsync(
            TestTls.ForServers with { Certificate = null, CertificateSelector = _ => null }, TestTls.ForClients with { TargetHost = "other.example" }),
        [nameof(CloseReason.CertificateRefused)] = () => WithTlsAsync(TestTls.ForServers, TestTls.ForClients with { Certificate = null }),
        [nameof(CloseReason.ConnectionReset)] = ResetAsync,
        [nameof(CloseReason.Unreachable)] = UnreachableAsync,
        [nameof(CloseReason.HandshakeTimeout)] = HandshakeTimeoutAsync,
        [nameof(CloseReason.AuthenticationFailed)] = AuthenticationFailedAsync,
        [nameof(CloseReason.NotPermitted)] = () => OnceActiveAsync(
            RawEnd.Frame(17, 1), registry: Guarded(new PacketGuard { Flow = PacketFlow.ServerToClient })),
        [nameof(CloseReason.StalledFrame)] = StalledFrameAsync,
        [nameof(CloseReason.SlowConsumer)] = SlowConsumerAsync,
        [nameof(CloseReason.Overloaded)] = OverloadedAsync,
        [nameof(CloseReason.FrameTooLarge)] = () => OnceActiveAsync([0x7f, 0, 0, 0]),
        [nameof(CloseReason.FrameTooSmall)] = () => OnceActiveAsync([0, 0, 0, 1]),
        [nameof(CloseReason.MalformedPayload)] = () => OnceActiveAsync(RawEnd.Frame(17, 0xc1)),
        [nameof(CloseReason.DepthExceeded)] = () => OnceActiveAsync(RawEnd.Frame(17, 0x91, 0x91, 0x91, 1), new PeerOptions { MaxDepth = 2 }),
        [nameof(CloseReason.TooManyItems)] = () => OnceActiveAsync(RawEnd.Frame(17, 0x93, 1, 2, 3), new PeerOptions { MaxItemsPerPacket = 3 }),
        [nameof(CloseReason.DuplicateKey)] = () => OnceActiveAsync(RawEnd.Frame(17, 0x82, 1, 1, 1, 1)),
        [nameof(CloseReason.TypeMismatch)] = () => OnceActiveAsync(RawEnd.Frame(17, 0xc0), packet: new Packet<string>()),
        [nameof(CloseReason.BadHandshake)] = () => InHandshakeAsync(RawEnd.Frame(0, 0x80)),
        [nameof(CloseReason.UnexpectedPacket)] = () => OnceActiveAsync(RawEnd.Frame(3, 0xc0)),
        [nameof(CloseReason.UnknownPacket)] = () => OnceActiveAsync(RawEnd.Frame(999, 1)),
        [nameof(CloseReason.IdMapInvalid)] = () => InHandshakeAsync([.. PeerBytes.Init, .. PeerBytes.IdMap(true, ("a:one", 17), ("a:two", 17))]),
        [nameof(CloseReason.ReservedId)] = () => InHandshakeAsync([.. PeerBytes.Init, .. PeerBytes.IdMap(true, ("a:one", 5))]),
        [nameof(CloseReason.TooManyPackets)] = () => InHandshakeAsync(
            [.. PeerBytes.Init, .. PeerBytes.IdMap(true, ("a:one", 17))], new PeerOptions { MaxPacketTypes = 4 }),
        [nameof(CloseReason.NameInvalid)] = () => InHandshakeAsync([.. PeerBytes.Init, .. PeerBytes.IdMap(true, ("", 17))]),
        [nameof(CloseReason.HandlerFailed)] = () => OnceActiveAsync(
            RawEnd.Frame(17, 1), new PeerOptions { HandlerFailure = HandlerFailureAction.Close },
            packet: Packet.Create((_, _) => throw new InvalidOperationException())),
        [nameof(CloseReason.InternalError)] = () =>
        {
            var time = new BrokenClock();
            return OnceActiveAsync(
                RawEnd.Frame(17, 1), new PeerOptions { PacketLog = new PacketLog(10), TimeProvider = time }, before: () => time.IsBroken = true);
        },
    };

    public static TheoryData<string> Reasons { get; } = [.. Causes.Keys];

    [Theory, MemberData(nameof(Reasons))]
    public async Task Both_ends_see_what_the_table_says(string reason)
    {
        Ends ends = await Causes[reason]();
        string[] row = Rows[reason];
        Assert.Equal(Expected(row[2]), ends.Here is null ? Nothing : $"{Member(ends.Here.Reason)} {ends.Here.Initiator}");
        string[] there = [Expected(row[3]), .. Initiators().Matches(row[3]).Select(match => $"{reason} {match.Groups[1].Value}")];
        Assert.Contains(ends.There, there);
    }

    [Fact]
    public void Every_row_is_caused_and_every_cause_has_a_row() => Assert.Equal(Rows.Keys.Order(), Causes.Keys.Order());

    private static string Expected(string cell)
        => Seen().Match(cell) is { Success: true } seen ? $"{seen.Groups[1].Value} {seen.Groups[2].Value}"
            : cell.StartsWith(Cut, StringComparison.Ordinal) ? Cut : Nothing;

    private static string Member(CloseReason reason)
        => typeof(CloseReason).GetProperties(BindingFlags.Public | BindingFlags.Static).Single(member => reason.Equals(member.GetValue(null))).Name;

    private static string Describe(CloseInfo info)
        => info.Reason == CloseReason.ConnectionReset ? Cut : $"{Member(info.Reason)} {info.Initiator}";

    private static PeerPair Pair(PeerOptions? options = null, Packet? packet = null, PacketRegistry? registry = null)
        => new(Transport.TcpIPv4, registry ?? Registries.Server(packet ?? Registries.Sink()), Registries.Client(Registries.Sink()), options);

    private static PacketRegistry Guarded(PacketGuard guard)
    {
        var registry = new PacketRegistry();
        registry.AddPacket(Registries.Name, Registries.Sink(), 17, guard);
        return registry;
    }

    private static async Task<Ends> BetweenPeersAsync(Func<Connection, Connection, Task> act)
    {
        await using PeerPair pair = Pair();
        (Connection client, Connection server) = await pair.ConnectAsync();
        await act(client, server).Soon();
        return new(await client.Closed.Soon(), Describe(await server.Closed.Soon()));
    }

    private static async Task<Ends> BetweenStrangersAsync(PacketRegistry server, PacketRegistry client, bool noticedByClient = false)
    {
        await using var pair = new PeerPair(Transport.TcpIPv4, server, client);
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        CloseInfo here = (await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo;
        return noticedByClient ? new(there, Describe(here)) : new(here.Initiator == CloseInitiator.Local ? here : there, Describe(there));
    }

    private static async Task<Ends> GenericAsync()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();
        await ((MemoryClient)pair.Client).DisconnectAsync().Soon();
        return new(await client.Closed.Soon(), Describe(await server.Closed.Soon()));
    }

    private static async Task<Ends> InHandshakeAsync(byte[] bytes, PeerOptions? options = null)
    {
        await using PeerPair pair = Pair(options);
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync(bytes);
        string there = await SeeAsync(raw);
        return new((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo, there);
    }

    private static async Task<Ends> OnceActiveAsync(
        byte[] bytes, PeerOptions? options = null, Packet? packet = null, bool ends = false, Action? before = null, PacketRegistry? registry = null)
    {
        await using PeerPair pair = Pair(options, packet, registry);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        before?.Invoke();
        await raw.WriteAsync(bytes);
        if (ends)
            await raw.EndAsync();
        string there = await SeeAsync(raw);
        return new(await connection.Closed.Soon(), there);
    }

    private static async Task<Ends> ResetAsync()
    {
        await using PeerPair pair = Pair();
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        raw.Abort();
        return new(await connection.Closed.Soon(), Nothing);
    }

    private static async Task<Ends> WithTlsAsync(TlsOptions server, TlsOptions client)
    {
        await using var meeting = new TlsMeeting(server, client);
        (CloseInfo there, CloseInfo here) = await meeting.RefusedAsync();
        return new(here, Describe(there));
    }

    private static async Task<Ends> TlsRequiredAsync()
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray());
        CloseInfo here = await scene.EndedAsync();
        Assert.Empty(await TlsScene.ReadToEndAsync(raw));
        return new(here, Cut);
    }

    private static async Task<Ends> TruncatedStreamAsync()
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await scene.ShakeHandsAsync(raw, new SslApplicationProtocol("packetmq/1"));
        await ssl.WriteAsync(WireBytes.Init);
        raw.Shutdown(SocketShutdown.Send);
        return new(await scene.EndedAsync(), Nothing);
    }

    private static async Task<Ends> UnreachableAsync()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound, but nobody listens
        return new((await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync(taken.LocalEndPoint!).Soon())).CloseInfo, Nothing);
    }

    private static async Task<Ends> AuthenticationFailedAsync()
    {
        await using PeerPair pair = Pair(new PeerOptions { Authenticate = (_, _) => new(AuthenticationResult.Refuse("no")) });
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        return new((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo, Describe(there));
    }

    private static async Task<Ends> HandshakeTimeoutAsync()
    {
        var time = new WatchedTime();
        await using PeerPair pair = Pair(new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await raw.ReadFrameAsync());
        time.Beat(10);
        string there = await SeeAsync(raw);
        return new((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo, there);
    }

    private static async Task<Ends> StalledFrameAsync()
    {
        var time = new WatchedTime();
        await using PeerPair pair = Pair(new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        await raw.WriteAsync(0, 0);
        await Bounded.UntilAsync(() => connection.IncompleteBytes == 2);
        time.Beat(6);
        string there = await SeeAsync(raw);
        return new(await connection.Closed.Soon(), there);
    }

    private static async Task<Ends> SlowConsumerAsync()
    {
        var time = new WatchedTime();
        await using PeerPair pair = Pair(new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        Task[] sends = [.. Enumerable.Range(0, 100).Select(_ => connection.SendAsync(Registries.Name, new byte[90_000]).AsTask())];
        await Bounded.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return connection.Closed.IsCompleted;
        });
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
        return new(await connection.Closed.Soon(), await SeeAsync(raw));
    }

    private static async Task<Ends> OverloadedAsync()
    {
        await using PeerPair pair = Pair(new PeerOptions { MaxConnections = 1 });
        await pair.ConnectAsync();
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        Assert.Equal((1L, 0), (pair.Server.TurnedAwayConnections, pair.ServerRefused.Reader.Count));
        return new(null, Describe(there));
    }

    // What a peer would make of what it gets.
    private static async Task<string> SeeAsync(RawEnd raw)
    {
        try
        {
            CloseReason? reason = await raw.ReadSoftQuitAsync();
            await raw.EndAsync();
            return reason is { } told ? $"{Member(told)} {CloseInitiator.Remote}" : Nothing;
        }
        catch (IOException)
        {
            return Cut;
        }
    }

    [GeneratedRegex(@"^`(\w+)` \(`(\w+)`")]
    private static partial Regex Seen();

    [GeneratedRegex("`(Local|Remote|Transport)`")]
    private static partial Regex Initiators();

    /// <param name="Here">How it ended where the cause was noticed; null: it never began.</param>
    /// <param name="There">What the other side saw.</param>
    private sealed record Ends(CloseInfo? Here, string There);

    private sealed class BrokenClock : TimeProvider
    {
        public bool IsBroken { get; set; }

        public override DateTimeOffset GetUtcNow() => IsBroken ? throw new InvalidOperationException() : base.GetUtcNow();
    }
}
