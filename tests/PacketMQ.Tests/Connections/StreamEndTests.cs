using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>Ends that a raw client brings about, good and bad: what the server makes of them, and what it still says.</summary>
public sealed class StreamEndTests
{
    [Theory, AllTransports]
    public async Task An_end_between_two_frames_is_a_disconnection(Transport transport)
    {
        await using PeerPair pair = Pair(transport);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        await raw.EndAsync();
        CloseInfo end = await connection.Closed.Soon();

        Assert.Equal((CloseReason.Disconnected, CloseInitiator.Remote), (end.Reason, end.Initiator));
        Assert.Null(await raw.ReadFrameAsync());
        Assert.Single(pair.ServerLost);
        pair.AssertNoConnectionIsLeft(connection);
    }

    [Theory, AllTransports]
    public async Task An_end_inside_a_frame_is_told_from_one_between_frames(Transport transport)
    {
        byte[] frame = RawEnd.Frame(17, 0xa3, (byte)'a', (byte)'b', (byte)'c');
        for (int length = 1; length < frame.Length; length += 3)
        {
            await using PeerPair pair = Pair(transport);
            await using RawEnd raw = await RawEnd.ConnectAsync(pair);
            Connection connection = await pair.NextMadeAsync();

            await raw.WriteAsync(frame[..length]);
            await raw.EndAsync();
            CloseInfo end = await connection.Closed.Soon();

            Assert.Equal((CloseReason.TruncatedFrame, CloseInitiator.Remote), (end.Reason, end.Initiator));
            Assert.Null(await raw.ReadFrameAsync());
            pair.AssertNoConnectionIsLeft(connection);
        }
    }

    [Theory, AllTransports]
    public async Task An_end_in_the_handshake_is_a_refusal_and_not_a_loss(Transport transport)
    {
        foreach ((int length, CloseReason reason) in new[] { (0, CloseReason.Disconnected), (3, CloseReason.TruncatedFrame), (17, CloseReason.Disconnected) })
        {
            await using PeerPair pair = Pair(transport);
            await using RawEnd raw = await RawEnd.OpenAsync(pair);
            byte[] init = RawEnd.Frame(0, [0x81, 0xc4, 7, .. "version"u8, 1]);
            Assert.Equal(17, init.Length);

            await raw.WriteAsync(init[..length]);
            await raw.EndAsync();
            ConnectionLostEventArgs refused = await pair.ServerRefused.Reader.ReadAsync().Soon();

            Assert.Equal((reason, CloseInitiator.Remote), (refused.CloseInfo.Reason, refused.CloseInfo.Initiator));
            Assert.Same(refused.CloseInfo, await refused.Connection.Closed.Soon());
            Assert.Empty(pair.ServerLost);
            pair.AssertNoConnectionIsLeft(refused.Connection);
        }
    }

    [Theory, AllTransports]
    public async Task A_cut_is_a_reset_and_never_an_orderly_end(Transport transport)
    {
        await using PeerPair pair = Pair(transport);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        await raw.WriteAsync(RawEnd.Frame(17, 1)[..4]);
        raw.Abort();
        CloseInfo end = await connection.Closed.Soon();

        Assert.Equal(transport == Transport.Unix ? CloseReason.TruncatedFrame : CloseReason.ConnectionReset, end.Reason);
        Assert.Single(pair.ServerLost);
        pair.AssertNoConnectionIsLeft(connection);
    }

    [Theory, AllTransports]
    public async Task Replies_to_a_client_that_has_ended_its_own_direction_still_go_out(Transport transport)
    {
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:echo", new EchoPacket("a:echo", TextWriter.Null))), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, "a:echo");

        byte[] large = [0xc5, 0xc0, 0x00, .. new byte[0xc000]];
        for (int i = 0; i < 20; i++)
            await raw.WriteAsync(RawEnd.Frame(17, large));
        await raw.EndAsync();

        for (int i = 0; i < 20; i++)
            Assert.Equal(large, Assert.NotNull(await raw.ReadFrameAsync()).Payload);
        Assert.Null(await raw.ReadFrameAsync());
    }

    [Theory, AllTransports]
    public async Task A_refusal_reaches_the_other_side_before_the_end_of_the_stream(Transport transport)
    {
        (byte[] Bytes, CloseReason Reason)[] cases =
        [
            (RawEnd.Frame(999, 1), CloseReason.UnknownPacket),
            (RawEnd.Frame(17, 0xc1), CloseReason.MalformedPayload),
            (RawEnd.Frame(3, 0xc0), CloseReason.UnexpectedPacket),
            (RawEnd.Frame(17, 0xc0), CloseReason.TypeMismatch),
            ([0x7f, 0, 0, 0], CloseReason.FrameTooLarge),
        ];
        foreach ((byte[] bytes, CloseReason reason) in cases)
        {
            await using PeerPair pair = Pair(transport);
            await using RawEnd raw = await RawEnd.ConnectAsync(pair);
            Connection connection = await pair.NextMadeAsync();

            // More than the server will ever look at: an unread rest must not turn the farewell into a reset.
            await raw.WriteAsync([.. bytes, .. new byte[5_000]]);
            Assert.Equal(reason, await raw.ReadSoftQuitAsync());
            await raw.EndAsync();
            CloseInfo end = await connection.Closed.Soon();
            Assert.Equal((reason, CloseInitiator.Local), (end.Reason, end.Initiator));
        }
    }

    [Theory, AllTransports]
    public async Task A_refusal_waits_for_the_other_side_to_end(Transport transport)
    {
        var time = new WatchedTime();
        await using PeerPair pair = Pair(transport, new PeerOptions { TimeProvider = time });
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        await raw.WriteAsync(RawEnd.Frame(999, 1));
        Assert.Equal(CloseReason.UnknownPacket, await raw.ReadSoftQuitAsync());
        Assert.False(connection.Closed.IsCompleted);
        await raw.EndAsync();
        Assert.Equal(CloseReason.UnknownPacket, (await connection.Closed.Soon()).Reason);
    }

    [Theory, AllTransports]
    public async Task What_comes_behind_a_softquit_is_discarded(Transport transport)
    {
        var inbox = new Inbox();
        await using var pair = new PeerPair(transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        await raw.WriteAsync([.. RawEnd.Frame(17, 1), .. RawEnd.SoftQuit("reason.bye"), .. RawEnd.Frame(17, 2), 1, 2, 3]);
        Assert.Null(await raw.ReadFrameAsync()); // no answer but the end
        await raw.EndAsync();

        CloseInfo end = await connection.Closed.Soon();
        Assert.Equal(("reason.bye", CloseInitiator.Remote), (end.Reason.Name, end.Initiator));
        Assert.Equal(1L, await inbox.NextAsync());
        Assert.True(inbox.IsEmpty);
    }

    [Fact]
    public async Task A_stream_that_ends_before_the_handshake_fails_the_attaching()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        (System.IO.Pipelines.IDuplexPipe near, System.IO.Pipelines.IDuplexPipe far) = PeerPair.CrossedPipes();
        Task<Connection> attaching = client.AttachAsync(near);
        await far.Output.CompleteAsync();
        var closed = await Assert.ThrowsAsync<ConnectionClosedException>(() => attaching.Soon());
        Assert.Equal(CloseReason.Disconnected, closed.CloseInfo.Reason);
        Assert.Empty(client.Connections);
    }

    [Fact]
    public async Task Cancelling_the_attaching_cuts_the_stream()
    {
        await using var client = new Client(Registries.Client(Registries.Sink()));
        (System.IO.Pipelines.IDuplexPipe near, System.IO.Pipelines.IDuplexPipe far) = PeerPair.CrossedPipes();
        using var cancellation = new CancellationTokenSource();
        Task<Connection> attaching = client.AttachAsync(near, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => attaching.Soon());
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            while (await far.Input.ReadAsync().Soon() is { } read)
                far.Input.AdvanceTo(read.Buffer.End);
        });
    }

    private static PeerPair Pair(Transport transport, PeerOptions? options = null)
        => new(transport, Registries.Server(new Packet<string>()), Registries.Client(Registries.Sink()), options);
}
