using System.Text.RegularExpressions;
using PacketMQ.Tests.Support;
using static PacketMQ.Tests.Support.ReasonScenes;

namespace PacketMQ.Tests;

/// <summary>Causes each row of the documentation's table of reasons over TCP, and compares what both ends see with what is written.</summary>
public sealed partial class CloseReasonTableTests
{
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

    // Where a row names several: those that are not above, and what the other side sees of each.
    private static readonly Dictionary<(string Reason, string Cause), (Func<Task<Ends>> Act, string There)> OtherCauses = new()
    {
        [(nameof(CloseReason.Unknown), "not a valid reason")] = (() => QuitByHandAsync([0x81, 0xc4, 6, .. "reason"u8, 0xc4, 1, 0x0a]), "Unknown Remote"),
        [(nameof(CloseReason.Unknown), "a reason that is no text")] = (() => QuitByHandAsync([0x81, 0xc4, 6, .. "reason"u8, 5]), "Unknown Remote"),
        [(nameof(CloseReason.SameAdaptivePolicy), "both adapt")] =
            (() => BetweenStrangersAsync(Registries.Client(Registries.Sink()), Registries.Client(Registries.Sink())), "SameAdaptivePolicy Local"),
        [(nameof(CloseReason.Shutdown), "disposal")] =
            (() => BetweenPeersAsync((client, _) => client.Peer.DisposeAsync().AsTask()), "Shutdown Remote"),
        [(nameof(CloseReason.Shutdown), "a server's disposal")] =
            (() => BetweenPeersAsync((_, server) => server.Peer.DisposeAsync().AsTask(), isOfServer: true), "Shutdown Remote"),
        [(nameof(CloseReason.Shutdown), "the token after the farewell")] = (StopLateAsync, "Shutdown Remote"),
        [(nameof(CloseReason.Shutdown), "a stopped peer connects")] = (ConnectStoppedAsync, Cut),
        [(nameof(CloseReason.Aborted), "StopAsync's token")] =
            (() => BetweenPeersAsync((client, _) => client.Peer.StopAsync(new CancellationToken(canceled: true))), Cut),
        [(nameof(CloseReason.Aborted), "ConnectAsync's token")] = (() => GiveUpAsync(Transport.TcpIPv4), Cut),
        [(nameof(CloseReason.Aborted), "AttachAsync's token")] = (() => GiveUpAsync(Transport.Pipe), Cut),
        [(nameof(CloseReason.ConnectionReset), "an attached pipe")] = (PipeFailsAsync, Nothing),
        [(nameof(CloseReason.Unreachable), "no such name")] = (NoSuchNameAsync, Nothing),
        [(nameof(CloseReason.HandshakeTimeout), "in TLS")] = (TlsHandshakeTimeoutAsync, Cut),
        [(nameof(CloseReason.TlsFailed), "a callback that threw")] = (() => WithTlsAsync(
            TestTls.ForServers with { CertificateSelector = _ => throw new InvalidOperationException(), Certificate = null }, TestTls.ForClients), "TlsFailed Remote"),
        [(nameof(CloseReason.TlsFailed), "another protocol")] = (AnotherProtocolAsync, "TlsFailed Remote"),
        [(nameof(CloseReason.TlsFailed), "a broken record")] = (BrokenRecordAsync, Cut),
        [(nameof(CloseReason.TlsRequired), "SSH")] = (() => TlsRequiredAsync([.. "SSH-2.0-x\r\n"u8], "SSH"), Cut),
        [(nameof(CloseReason.TlsRequired), "PacketMQ in plain text")] = (() => TlsRequiredAsync(PeerBytes.Init, "PacketMQ"), Cut),
        [(nameof(CloseReason.CertificateRefused), "by ValidateCertificate")] =
            (() => WithTlsAsync(TestTls.ForServers with { ValidateCertificate = _ => false }, TestTls.ForClients), "CertificateRefused Remote"),
        [(nameof(CloseReason.AuthenticationFailed), "no answer")] = (() => UnauthenticatedAsync((_, _) => default), "AuthenticationFailed Remote"),
        [(nameof(CloseReason.AuthenticationFailed), "threw")] =
            (() => UnauthenticatedAsync((_, _) => throw new InvalidOperationException()), "AuthenticationFailed Remote"),
        [(nameof(CloseReason.SlowConsumer), "MaxWaitingSends")] = (() => TooManyWaitAsync(new PeerOptions { MaxWaitingSends = 3 }), Cut),
        [(nameof(CloseReason.SlowConsumer), "MaxWaitingSendBytes")] = (() => TooManyWaitAsync(new PeerOptions { MaxWaitingSendBytes = 200_000 }), Cut),
        [(nameof(CloseReason.Overloaded), "MaxPendingHandshakes")] = (TooManyHandshakesAsync, "Overloaded Remote"),
        [(nameof(CloseReason.FrameTooLarge), "HTTP")] = (() => InHandshakeAsync([.. "GET / HTTP/1.1\r\n\r\n"u8]), Cut),
        [(nameof(CloseReason.FrameTooLarge), "SSH")] = (() => InHandshakeAsync([.. "SSH-2.0-x\r\n"u8]), Cut),
        [(nameof(CloseReason.FrameTooLarge), "TLS")] = (() => InHandshakeAsync([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc]), Cut),
        [(nameof(CloseReason.FrameTooLarge), "an id map")] = (() => InHandshakeAsync([.. PeerBytes.Init, 0, 1, 0x86, 0xa0]), "FrameTooLarge Remote"),
        [(nameof(CloseReason.TooManyItems), "MaxDynamicExpansion")] = (() => OnceActiveAsync(
            RawEnd.Frame(17, [0xdc, 0x75, 0x30, .. Enumerable.Repeat((byte)0x80, 30_000)]), new PeerOptions { MaxDynamicExpansion = 1 }), "TooManyItems Remote"),
        [(nameof(CloseReason.DuplicateKey), "in the handshake")] = (() => InHandshakeAsync(
            RawEnd.Frame(0, [0x82, 0xc4, 7, .. "version"u8, 1, 0xc4, 7, .. "version"u8, 1])), "DuplicateKey Remote"),
        [(nameof(CloseReason.TypeMismatch), "OnDecode threw")] =
            (() => OnceActiveAsync(RawEnd.Frame(17, 1), packet: new Undecodable(() => new InvalidOperationException())), "TypeMismatch Remote"),
        [(nameof(CloseReason.BadHandshake), "a version that is no number")] =
            (() => InHandshakeAsync(RawEnd.Frame(0, [0x81, 0xc4, 7, .. "version"u8, 0xc4, 1, 0x31])), "BadHandshake Remote"),
        [(nameof(CloseReason.BadHandshake), "an id map without ids")] =
            (() => InHandshakeAsync([.. PeerBytes.Init, .. RawEnd.Frame(2, [0x81, 0xc4, 5, .. "adapt"u8, 0xc3])]), "BadHandshake Remote"),
        [(nameof(CloseReason.BadHandshake), "a flag that is none")] =
            (() => InHandshakeAsync([.. PeerBytes.Init, .. RawEnd.Frame(2, [0x82, 0xc4, 5, .. "adapt"u8, 2, 0xc4, 5, .. "idmap"u8, 0x80])]), "BadHandshake Remote"),
        [(nameof(CloseReason.UnexpectedPacket), "FINISH first")] = (() => InHandshakeAsync(PeerBytes.Finish), "UnexpectedPacket Remote"),
        [(nameof(CloseReason.UnexpectedPacket), "INIT twice")] = (() => InHandshakeAsync([.. PeerBytes.Init, .. PeerBytes.Init]), "UnexpectedPacket Remote"),
        [(nameof(CloseReason.UnexpectedPacket), "before FINISH")] = (() => InHandshakeAsync(
            [.. PeerBytes.Init, .. PeerBytes.IdMap(true, (Registries.Name, 17)), .. RawEnd.Frame(17, 1)]), "UnexpectedPacket Remote"),
        [(nameof(CloseReason.UnexpectedPacket), "an id of the protocol's")] = (() => OnceActiveAsync(RawEnd.Frame(15, 1)), "UnexpectedPacket Remote"),
        [(nameof(CloseReason.IdMapInvalid), "no id")] = (() => InHandshakeAsync(
            [.. PeerBytes.Init, .. RawEnd.Frame(2, [.. IdMapHead, 0x81, 0xc4, 5, .. "a:one"u8, 0xa1, 0x31])]), "IdMapInvalid Remote"),
        [(nameof(CloseReason.ReservedId), "a wrong one for a control packet")] = (() => InHandshakeAsync(
            [.. PeerBytes.Init, .. PeerBytes.BareIdMap(true, ("packetmq:softquit", 7), ("a:one", 17))]), "ReservedId Remote"),
        [(nameof(CloseReason.NameInvalid), "too long")] = (() => InHandshakeAsync(
            [.. PeerBytes.Init, .. RawEnd.Frame(2, [.. IdMapHead, 0x81, 0xc5, 1, 0, .. Enumerable.Repeat((byte)0x61, 256), 17])]), "NameInvalid Remote"),
        [(nameof(CloseReason.NameInvalid), "not printable")] =
            (() => InHandshakeAsync([.. PeerBytes.Init, .. PeerBytes.IdMap(true, ("a\n", 17))]), "NameInvalid Remote"),
        [(nameof(CloseReason.InternalError), "no memory")] =
            (() => OnceActiveAsync(RawEnd.Frame(17, 1), packet: new Undecodable(() => new OutOfMemoryException())), "InternalError Remote"),
    };

    public static TheoryData<string> Reasons { get; } = [.. Causes.Keys];

    public static TheoryData<string, string> Others { get; } = [.. OtherCauses.Keys];

    [Theory, MemberData(nameof(Reasons))]
    public async Task Both_ends_see_what_the_table_says(string reason)
    {
        AssertInTable(reason, await Causes[reason]());
    }

    [Theory, MemberData(nameof(Others))]
    public async Task Other_causes_of_a_reason_end_as_the_table_says(string reason, string cause)
    {
        (Func<Task<Ends>> act, string there) = OtherCauses[(reason, cause)];
        Ends ends = await act();
        Assert.Equal(there, ends.There);
        AssertInTable(reason, ends);
    }

    [Fact]
    public void Every_row_is_caused_and_every_cause_has_a_row() => Assert.Equal(Rows.Keys.Order(), Causes.Keys.Order());

    private static void AssertInTable(string reason, Ends ends)
    {
        string[] row = Rows[reason];
        Assert.Equal(Expected(row[2]), ends.Here is null ? Nothing : $"{Member(ends.Here.Reason)} {ends.Here.Initiator}");
        string[] there = [.. new[] { Cut, Nothing }.Where(row[3].Contains), Expected(row[3]), .. Initiators().Matches(row[3]).Select(match => $"{reason} {match.Groups[1].Value}")];
        Assert.Contains(ends.There, there);
    }

    private static string Expected(string cell)
        => Seen().Match(cell) is { Success: true } seen ? $"{seen.Groups[1].Value} {seen.Groups[2].Value}"
            : cell.StartsWith(Cut, StringComparison.Ordinal) ? Cut : Nothing;

    [GeneratedRegex(@"^`(\w+)` \(`(\w+)`")]
    private static partial Regex Seen();

    [GeneratedRegex("`(Local|Remote|Transport)`")]
    private static partial Regex Initiators();
}
