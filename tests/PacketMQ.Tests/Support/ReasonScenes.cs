using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using PacketMQ.Tests.Conformance;

namespace PacketMQ.Tests.Support;

/// <summary>Ways in which connections end, and what both sides see of it.</summary>
internal static class ReasonScenes
{
    public const string Nothing = "nothing";
    public const string Cut = "cut";

    /// <summary>How the payload of an id map begins, up to the map itself.</summary>
    public static readonly byte[] IdMapHead = [0x82, 0xc4, 5, .. "adapt"u8, 0xc3, 0xc4, 5, .. "idmap"u8];

    public static string Member(CloseReason reason)
        => typeof(CloseReason).GetProperties(BindingFlags.Public | BindingFlags.Static).Single(member => reason.Equals(member.GetValue(null))).Name;

    public static string Describe(CloseInfo info)
        => info.Reason == CloseReason.ConnectionReset ? Cut : $"{Member(info.Reason)} {info.Initiator}";

    public static PeerPair Pair(PeerOptions? options = null, Packet? packet = null, PacketRegistry? registry = null)
        => new(Transport.TcpIPv4, registry ?? Registries.Server(packet ?? Registries.Sink()), Registries.Client(Registries.Sink()), options);

    public static PacketRegistry Guarded(PacketGuard guard)
    {
        var registry = new PacketRegistry();
        registry.AddPacket(Registries.Name, Registries.Sink(), 17, guard);
        return registry;
    }

    public static async Task<Ends> BetweenPeersAsync(Func<Connection, Connection, Task> act, bool isOfServer = false)
    {
        await using PeerPair pair = Pair();
        (Connection client, Connection server) = await pair.ConnectAsync();
        await act(client, server).Soon();
        (Connection here, Connection there) = isOfServer ? (server, client) : (client, server);
        return new(await here.Closed.Soon(), Describe(await there.Closed.Soon()));
    }

    public static async Task<Ends> BetweenStrangersAsync(PacketRegistry server, PacketRegistry client, bool noticedByClient = false)
    {
        await using var pair = new PeerPair(Transport.TcpIPv4, server, client);
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        CloseInfo here = (await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo;
        return noticedByClient ? new(there, Describe(here)) : new(here.Initiator == CloseInitiator.Local ? here : there, Describe(there));
    }

    public static async Task<Ends> GenericAsync()
    {
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()));
        (Connection client, Connection server) = await pair.ConnectAsync();
        await ((MemoryClient)pair.Client).DisconnectAsync().Soon();
        return new(await client.Closed.Soon(), Describe(await server.Closed.Soon()));
    }

    public static async Task<Ends> InHandshakeAsync(byte[] bytes, PeerOptions? options = null)
    {
        await using PeerPair pair = Pair(options);
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        await raw.WriteAsync(bytes);
        string there = await SeeAsync(raw);
        return new((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo, there);
    }

    public static async Task<Ends> OnceActiveAsync(
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

    public static async Task<Ends> ResetAsync()
    {
        await using PeerPair pair = Pair();
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        raw.Abort();
        return new(await connection.Closed.Soon(), Nothing);
    }

    public static async Task<Ends> WithTlsAsync(TlsOptions server, TlsOptions client)
    {
        await using var meeting = new TlsMeeting(server, client);
        (CloseInfo there, CloseInfo here) = await meeting.RefusedAsync();
        return new(here, Describe(there));
    }

    public static Task<Ends> TlsRequiredAsync() => TlsRequiredAsync([.. "GET / HTTP/1.1\r\n\r\n"u8], "HTTP");

    public static async Task<Ends> TlsRequiredAsync(byte[] bytes, string name)
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(bytes);
        CloseInfo here = await scene.EndedAsync();
        Assert.Contains(name, here.Description, StringComparison.Ordinal);
        Assert.Empty(await TlsScene.ReadToEndAsync(raw));
        return new(here, Cut);
    }

    public static async Task<Ends> TruncatedStreamAsync()
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await using SslStream ssl = await scene.ShakeHandsAsync(raw, new SslApplicationProtocol("packetmq/1"));
        await ssl.WriteAsync(WireBytes.Init);
        raw.Shutdown(SocketShutdown.Send);
        return new(await scene.EndedAsync(), Nothing);
    }

    public static async Task<Ends> UnreachableAsync()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound, but nobody listens
        return new((await Assert.ThrowsAsync<ConnectionClosedException>(() => client.ConnectAsync(taken.LocalEndPoint!).Soon())).CloseInfo, Nothing);
    }

    public static Task<Ends> AuthenticationFailedAsync() => UnauthenticatedAsync((_, _) => new(AuthenticationResult.Refuse("no")));

    public static async Task<Ends> UnauthenticatedAsync(Func<AuthenticationContext, CancellationToken, ValueTask<AuthenticationResult>> hook)
    {
        await using PeerPair pair = Pair(new PeerOptions { Authenticate = hook });
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        return new((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo, Describe(there));
    }

    public static async Task<Ends> HandshakeTimeoutAsync()
    {
        var time = new WatchedTime();
        await using PeerPair pair = Pair(new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await raw.ReadFrameAsync());
        time.Beat(10);
        string there = await SeeAsync(raw);
        return new((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo, there);
    }

    public static async Task<Ends> StalledFrameAsync()
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

    public static async Task<Ends> SlowConsumerAsync()
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

    /// <summary>More sends wait than may; no time passes.</summary>
    public static async Task<Ends> TooManyWaitAsync(PeerOptions options)
    {
        await using PeerPair pair = Pair(options with { TimeProvider = new WatchedTime() });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        Task[] sends = [.. Enumerable.Range(0, 200).Select(_ => Task.Run(() => connection.SendAsync(Registries.Name, new byte[90_000]).AsTask()))];
        CloseInfo here = await connection.Closed.Soon();
        await Assert.ThrowsAsync<ConnectionClosedException>(() => Task.WhenAll(sends).Soon());
        return new(here, await SeeAsync(raw));
    }

    public static async Task<Ends> TooManyHandshakesAsync()
    {
        await using PeerPair pair = Pair(new PeerOptions { MaxPendingHandshakes = 1 });
        await using RawEnd raw = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await raw.ReadFrameAsync()); // it has its place
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        return new(null, Describe(there));
    }

    /// <summary>A softquit whose reason is none: the side that quits is played by hand, and sees what it said.</summary>
    public static async Task<Ends> QuitByHandAsync(params byte[] payload)
    {
        await using PeerPair pair = Pair();
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        await raw.WriteAsync([.. RawEnd.Frame(1, payload)]);
        await raw.EndAsync();
        return new(new CloseInfo(CloseReason.Unknown, CloseInitiator.Local, ""), Describe(await connection.Closed.Soon()));
    }

    /// <summary>The token of a stop is cancelled when the farewell was said, and the other side's end does not come.</summary>
    public static async Task<Ends> StopLateAsync()
    {
        await using PeerPair pair = Pair();
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();
        using var giveUp = new CancellationTokenSource();
        Task stopping = pair.Server.StopAsync(giveUp.Token);
        CloseReason? told = await raw.ReadSoftQuitAsync();
        await giveUp.CancelAsync();
        await stopping.Soon();
        return new(await connection.Closed.Soon(), $"{Member(told!.Value)} {CloseInitiator.Remote}");
    }

    public static async Task<Ends> ConnectStoppedAsync()
    {
        await using PeerPair pair = Pair();
        await pair.Client.StopAsync().Soon();
        CloseInfo here = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        return new(here, Describe((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo));
    }

    /// <summary>Whoever connects gives up while the other side is in no hurry to let it in.</summary>
    public static async Task<Ends> GiveUpAsync(Transport transport)
    {
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var options = new PeerOptions
        {
            Authenticate = async (_, closing) =>
            {
                asked.TrySetResult();
                await Task.Delay(Timeout.Infinite, closing);
                return AuthenticationResult.Accept();
            },
        };
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), options);
        using var giveUp = new CancellationTokenSource();
        Task<Connection> opening = pair.OpenAsync(giveUp.Token);
        await asked.Task.Soon();
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening.Soon());
        return new((await pair.ClientRefused.Reader.ReadAsync().Soon()).CloseInfo, Describe((await pair.ServerRefused.Reader.ReadAsync().Soon()).CloseInfo));
    }

    public static async Task<Ends> PipeFailsAsync()
    {
        (IDuplexPipe near, IDuplexPipe far) = PeerPair.CrossedPipes();
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()));
        await near.Output.WriteAsync(PeerBytes.Handshake(true, (Registries.Name, 17)));
        Connection connection = await server.AttachAsync(far).Soon();
        await near.Output.CompleteAsync(new IOException("a cable"));
        CloseInfo here = await connection.Closed.Soon();
        Assert.Equal("a cable", here.Exception?.Message);
        return new(here, Nothing);
    }

    public static async Task<Ends> NoSuchNameAsync()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        return new((await Assert.ThrowsAsync<ConnectionClosedException>(
            () => client.ConnectAsync(new DnsEndPoint("nobody.invalid", 1)).Soon())).CloseInfo, Nothing);
    }

    public static async Task<Ends> TlsHandshakeTimeoutAsync()
    {
        var time = new WatchedTime();
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server, new PeerOptions { TimeProvider = time });
        using Socket raw = await scene.OpenAsync();
        await scene.BegunAsync(raw);
        time.Beat(12);
        CloseInfo here = await scene.EndedAsync();
        Assert.Empty(await TlsScene.ReadToEndAsync(raw));
        return new(here, Cut);
    }

    /// <summary>The other side is .NET's own TLS, and sees an alert.</summary>
    public static async Task<Ends> AnotherProtocolAsync()
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => scene.ShakeHandsAsync(raw, SslApplicationProtocol.Http2));
        return new(await scene.EndedAsync(), $"{nameof(CloseReason.TlsFailed)} {CloseInitiator.Remote}");
    }

    public static async Task<Ends> BrokenRecordAsync()
    {
        await using TlsScene scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        await raw.SendAsync(new byte[] { 0x16, 3, 1, 0, 4, 0xff, 0, 0, 0 });
        CloseInfo here = await scene.EndedAsync();
        Assert.Empty(await TlsScene.ReadToEndAsync(raw)); // the platform has no alert for it
        return new(here, Cut);
    }

    public static async Task<Ends> OverloadedAsync()
    {
        await using PeerPair pair = Pair(new PeerOptions { MaxConnections = 1 });
        await pair.ConnectAsync();
        CloseInfo there = (await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon())).CloseInfo;
        Assert.Equal((1L, 0), (pair.Server.TurnedAwayConnections, pair.ServerRefused.Reader.Count));
        return new(null, Describe(there));
    }

    // What a peer would make of what it gets.
    public static async Task<string> SeeAsync(RawEnd raw)
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

    /// <param name="Here">How it ended where the cause was noticed; null: it never began.</param>
    /// <param name="There">What the other side saw.</param>
    public sealed record Ends(CloseInfo? Here, string There);

    public sealed class BrokenClock : TimeProvider
    {
        public bool IsBroken { get; set; }

        public override DateTimeOffset GetUtcNow() => IsBroken ? throw new InvalidOperationException() : base.GetUtcNow();
    }

    public sealed class Undecodable(Func<Exception> error) : Packet
    {
        protected internal override object? OnDecode(in System.Buffers.ReadOnlySequence<byte> payload, PacketContext context) => throw error();
    }
}
