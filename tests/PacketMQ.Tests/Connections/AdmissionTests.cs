using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Connections;

/// <summary>Who gets in, by number and address; and what one who does not is told.</summary>
public sealed class AdmissionTests
{
    [Fact]
    public async Task A_connection_for_which_there_is_no_memory_gives_its_place_back()
    {
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()), new PeerOptions { MaxConnections = 1 });
        for (int i = 0; i < 3; i++)
            Assert.Throws<OutOfMemoryException>(() => server.Begin(new Unaffordable()));
        await using var client = new MemoryClient(Registries.Client(Registries.Sink()));
        await client.ConnectAsync(server, TestContext.Current.CancellationToken).Soon();
    }

    [Theory]
    [InlineData("192.0.2.1", "192.0.2.1", true)]
    [InlineData("192.0.2.1", "192.0.2.2", false)]
    [InlineData("192.0.2.1", "::ffff:192.0.2.1", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    [InlineData("fe80::1", "fe80::2", false)]
    [InlineData("0.0.0.1", "::", false)]
    public void An_ipv6_network_of_64_bits_is_one_address(string one, string other, bool same)
        => Assert.Equal(same, Admission.AddressOf(new IPEndPoint(IPAddress.Parse(one), 1)) == Admission.AddressOf(new IPEndPoint(IPAddress.Parse(other), 2)));

    [Fact]
    public void Programs_of_the_same_machine_have_no_address()
    {
        foreach (EndPoint endPoint in new EndPoint[]
        {
            new IPEndPoint(IPAddress.Loopback, 1), new IPEndPoint(IPAddress.Parse("127.9.9.9"), 1), new IPEndPoint(IPAddress.IPv6Loopback, 1),
            new IPEndPoint(IPAddress.Parse("::ffff:127.0.0.1"), 1), new UnixDomainSocketEndPoint("/tmp/a"),
        })
            Assert.Null(Admission.AddressOf(endPoint));
        Assert.Null(Admission.AddressOf(null));
    }

    [Fact]
    public void One_address_can_not_take_the_handshakes_of_all()
    {
        Admission admission = New(new PeerOptions { MaxPendingHandshakesPerAddress = 2, MaxPendingHandshakes = 4 });
        EndPoint stranger = Address("192.0.2.1");
        Admission.Seat first = Enter(admission, stranger);
        Admission.Seat second = Enter(admission, stranger);
        Assert.Equal(CloseReason.Overloaded, admission.TryEnter(stranger, true, out _)?.Reason);
        Assert.True(admission.TurnsAway(stranger));
        Enter(admission, Address("192.0.2.2"));

        first.EndHandshake();
        Enter(admission, stranger);
        second.Leave();
        second.Leave();
        Enter(admission, stranger);
        Assert.True(admission.TurnsAway(stranger));
        Assert.Equal(3, admission.TurnedAway);

        // Four handshakes go on now but one: that is for anybody.
        Enter(admission, Address("192.0.2.3"));
        Assert.Contains("MaxPendingHandshakes is 4", admission.TryEnter(Address("192.0.2.4"), true, out _)?.Description);
        Assert.Null(admission.TryEnter(null, isIncoming: false, out _)); // what this side opens is its own affair
    }

    [Fact]
    public void Of_two_options_for_the_same_thing_the_stricter_one_counts()
    {
        foreach ((PeerOptions options, string stricter) in new[]
        {
            (new PeerOptions { MaxPendingHandshakes = 1, MaxPendingHandshakesPerAddress = 2 }, "MaxPendingHandshakes is 1"),
            (new PeerOptions { MaxConnections = 1, MaxPendingHandshakes = 2 }, "MaxConnections is 1"),
            (new PeerOptions { MaxConnections = 1, MaxPendingHandshakesPerAddress = 2 }, "MaxConnections is 1"),
        })
        {
            options.Validate();
            Admission admission = New(options);
            Enter(admission, Address("192.0.2.1"));
            Assert.Contains(stricter, admission.TryEnter(Address("192.0.2.1"), true, out _)?.Description);
        }
    }

    [Fact]
    public async Task A_stranger_who_only_connects_takes_no_more_places_than_his_address_has()
    {
        IPAddress outside = OutsideAddress.FindOrSkip();
        await using var server = new Server(new PacketRegistry(), new PeerOptions { MaxPendingHandshakesPerAddress = 2 });
        int port = server.Listen(0).Port;
        using Socket first = await ComeFromAsync(outside);
        using Socket second = await ComeFromAsync(outside);
        Assert.Equal((WireProtocol.InitId, WireProtocol.InitId), (await FirstIdAsync(first), await FirstIdAsync(second)));

        using (Socket third = await ComeFromAsync(outside))
            Assert.Equal(WireProtocol.SoftQuitId, await FirstIdAsync(third));
        Assert.Equal(1, server.TurnedAwayConnections);
        using Socket local = await ComeFromAsync(IPAddress.Parse("127.0.0.2")); // of another address there is place
        Assert.Equal(WireProtocol.InitId, await FirstIdAsync(local));

        first.Shutdown(SocketShutdown.Both);
        await Bounded.UntilAsync(() =>
        {
            using Socket again = ComeFromAsync(outside).GetAwaiter().GetResult();
            return FirstIdAsync(again).GetAwaiter().GetResult() == WireProtocol.InitId;
        });

        async Task<Socket> ComeFromAsync(IPAddress address)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 0));
            await socket.ConnectAsync(address, port).WaitAsync(Bounded.Limit);
            return socket;
        }

        // The id of the first packet that the server says.
        async Task<int> FirstIdAsync(Socket socket)
        {
            byte[] head = new byte[6];
            for (int read = 0; read < head.Length;)
                read += await socket.ReceiveAsync(head.AsMemory(read)).Soon() is > 0 and var more ? more : throw new EndOfStreamException();
            return head[5];
        }
    }

    [Theory, AllTransports]
    public async Task Above_the_cap_a_connection_is_told_so_and_the_others_notice_nothing(Transport transport)
    {
        var inbox = new Inbox();
        var logs = new FakeLogCollector();
        var options = new PeerOptions { MaxConnections = 2, LoggerFactory = new Journal(logs), TimeProvider = new WatchedTime() };
        await using var pair = new PeerPair(transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()), options);
        (Connection first, _) = await pair.ConnectAsync();
        (Connection second, Connection served) = await pair.ConnectAsync();

        for (int i = 0; i < 10; i++)
        {
            var refused = await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon());
            // A Unix socket's client may fail to write before it reads why, one with TLS is told nothing, a pipe's server end is an own call.
            if (transport is not (Transport.Pipe or Transport.Unix or Transport.Tls))
                Assert.Equal((CloseReason.Overloaded, CloseInitiator.Remote), (refused.CloseInfo.Reason, refused.CloseInfo.Initiator));
        }

        Assert.Equal(10, pair.Server.TurnedAwayConnections);
        Assert.Single(logs.GetSnapshot(), record => record.Id.Id == 111);
        Assert.Equal(0, pair.ServerRefused.Reader.Count);
        foreach (Connection connection in new[] { first, second })
        {
            await connection.SendAsync(Registries.Name, connection.Id);
            Assert.Equal(connection.Id, await inbox.NextAsync());
        }

        await second.SoftQuitAsync().Soon();
        await served.Closed.Soon();
        await pair.ConnectAsync();
    }

    [Theory, AllTransports]
    public async Task A_handshake_that_goes_on_holds_its_place_until_its_end(Transport transport)
    {
        Assert.SkipWhen(transport == Transport.Pipe, "A pipe is attached, not accepted.");
        var options = new PeerOptions { MaxPendingHandshakes = 1 };
        await using var pair = new PeerPair(transport, Registries.Server(Registries.Sink()), Registries.Client(Registries.Sink()), options);
        await pair.ConnectAsync();
        await using RawEnd slow = await RawEnd.OpenAsync(pair);
        Assert.NotNull(await slow.ReadFrameAsync());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => pair.OpenAsync().Soon());
        Assert.Equal(1, pair.Server.TurnedAwayConnections);

        await slow.EndAsync();
        await (await pair.ServerRefused.Reader.ReadAsync().Soon()).Connection.Closed.Soon();
        await pair.ConnectAsync();
    }

    [Theory]
    [InlineData(null, 65_536)]
    [InlineData(1_048_576L, 65_536)]
    [InlineData(20_000L, 16_000)]
    [InlineData(1_024L, 819)]
    [InlineData(256L, 128)]
    [InlineData(64L, 16)]
    public void The_default_cap_is_below_the_limit_of_open_files(long? limit, int expected) => Assert.Equal(expected, DescriptorLimit.ForLimit(limit));

    [Theory]
    [InlineData(100_000, null, false)]
    [InlineData(239, 256L, false)]
    [InlineData(240, 256L, true)]
    [InlineData(255, 256L, true)]
    public void The_last_descriptors_are_for_the_runtime(int descriptor, long? limit, bool isOneOfThem)
        => Assert.Equal(isOneOfThem, DescriptorLimit.IsAlmostReachedBy(descriptor, limit));

    [Fact]
    public void The_limit_of_open_files_is_read()
    {
        Assert.Equal(1024, DescriptorLimit.Parse("Limit    Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \n"));
        Assert.Null(DescriptorLimit.Parse("Max open files            unlimited            unlimited            files     \n"));
        Assert.Null(DescriptorLimit.Parse(""));
        Assert.InRange(new PeerOptions().MaxConnections.GetValueOrDefault(), 16, 65_536);
    }

    private static Admission New(PeerOptions options)
    {
        var repeated = new RepeatedLog(NullLogger.Instance, TimeProvider.System);
        return new Admission(options, new BufferBudget(null, repeated, NullLogger.Instance), repeated, NullLogger.Instance);
    }

    private static Admission.Seat Enter(Admission admission, EndPoint endPoint)
    {
        Assert.False(admission.TurnsAway(endPoint));
        Assert.Null(admission.TryEnter(endPoint, true, out Admission.Seat seat));
        return seat;
    }

    private static IPEndPoint Address(string address) => new(IPAddress.Parse(address), 1);

    private sealed class Unaffordable : TransportConnection
    {
        public override PipeReader Input => throw new OutOfMemoryException();

        public override PipeWriter Output => throw new OutOfMemoryException();

        public override void Abort()
        {
        }

        public override ValueTask DisposeAsync() => default;
    }
}
