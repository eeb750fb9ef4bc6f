using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>What arrives while connection made takes its time: it is read ahead, and nothing of it may get lost.</summary>
public sealed class ReadAheadTests
{
    [Theory, AllTransports]
    public async Task What_arrives_during_a_slow_connection_made_is_handled_when_it_returns(Transport transport)
    {
        var time = new WatchedTime();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inbox = new Inbox();
        await using var pair = new PeerPair(
            transport, Registries.Server(inbox.Packet), Registries.Client(Registries.Sink()),
            new PeerOptions { TimeProvider = time, SendTimeout = null, MinReceiveRate = null });
        pair.ServerMadeHook = _ => new(release.Task);
        await using RawEnd raw = await RawEnd.ConnectAsync(pair);
        Connection connection = await pair.NextMadeAsync();

        // The first is longer than the last frame of the handshake: a position from before it would lie inside.
        byte[] large = RawEnd.Frame(17, [0xc5, 0x10, 0x00, .. new byte[0x1000]]);
        await raw.WriteAsync([.. large, .. RawEnd.Frame(17, 1), .. RawEnd.SoftQuit("reason.bye")]);
        await Bounded.UntilAsync(() =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return connection.Closing.IsCancellationRequested; // read ahead as far as the softquit
        });
        Assert.True(inbox.IsEmpty);

        release.SetResult();
        await raw.EndAsync();
        Assert.Equal("reason.bye", (await connection.Closed.Soon()).Reason.Name);
        Assert.Equal(0x1000, Assert.IsType<byte[]>(await inbox.NextAsync()).Length);
        Assert.Equal(1L, await inbox.NextAsync());
    }
}
