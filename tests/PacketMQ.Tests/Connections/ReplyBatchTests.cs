using System.IO.Pipelines;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>When the replies to many packets that arrive at once go out, seen from the pipe that they leave on.</summary>
public sealed class ReplyBatchTests
{
    private const int Id = 17;

    private readonly WatchedTime _time = new();
    private readonly GatedWriter _writer = new() { IsOpen = true };

    [Fact]
    public async Task The_replies_to_one_read_leave_in_one_write()
    {
        int before = 0;
        await ExchangeAsync(50, packet => before = packet == 0 ? _writer.Writes : before);
        Assert.Equal(before + 1, _writer.Writes);
    }

    [Fact]
    public async Task A_reply_waits_for_one_slow_handler_behind_it_and_not_for_more()
    {
        var written = new List<int>();
        await ExchangeAsync(30, _ => MeasureAndWait(written));
        Assert.All(written.Index().Skip(2), at => Assert.Equal(at.Index, at.Item));
    }

    [Fact]
    public async Task A_reply_waits_for_some_handlers_that_were_quick_until_now_and_not_for_more()
    {
        const int Quick = 100;
        var written = new List<int>();
        await ExchangeAsync(200, packet =>
        {
            if (packet >= Quick)
                MeasureAndWait(written);
        });
        Assert.All(written.Index(), at => Assert.True(at.Item >= Quick + at.Index - 8 || at.Index <= 8, $"After {at.Index} slow ones {at.Item} had left."));
        Assert.All(written.Index().Skip(10), at => Assert.Equal(Quick + at.Index, at.Item));
    }

    private int WrittenReplies => _writer.Frames().Count(frame => frame.Id == Id);

    private void MeasureAndWait(List<int> written)
    {
        written.Add(WrittenReplies);
        _time.Advance(TimeSpan.FromMilliseconds(3));
    }

    // A handler is told the packet's number, and replies then.
    private async Task ExchangeAsync(int count, Action<int> handle)
    {
        int handled = 0;
        var packet = Packet.Create((_, context) =>
        {
            handle(handled++);
            Assert.True(context.ReplyAsync(Registries.Name, null).IsCompletedSuccessfully);
        });
        var input = new Pipe();
        await using var server = new MemoryServer(Registries.Server(packet), new PeerOptions { TimeProvider = _time });
        Task<Connection> attached = server.AttachAsync(new Duplex(input.Reader, _writer));
        await input.Writer.WriteAsync(PeerBytes.Handshake(true, (Registries.Name, Id)));
        Connection connection = await attached.Soon();
        await Bounded.UntilAsync(() => _writer.Frames().Any(frame => frame.Id == 3)); // the last of the handshake
        await input.Writer.WriteAsync((byte[])[.. Enumerable.Repeat(PeerBytes.Frame(Id, 0xc0), count).SelectMany(frame => frame)]);
        await Bounded.UntilAsync(() => WrittenReplies == count);
        connection.Abort();
        await connection.Closed.Soon();
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
