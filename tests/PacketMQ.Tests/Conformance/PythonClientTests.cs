using System.Buffers;
using System.IO.Pipelines;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// The first conversation of the transcript <c>echo</c>: the bytes of a real Python client, which softquits and then waits for the
/// server to end the stream before it ends its own. However its bytes are cut, our server does the same.
/// </summary>
public sealed class PythonClientTests
{
    private static readonly Conversation Echo = Conversation.All["echo 0"];

    private static readonly byte[] ClientBytes = [.. Echo.WrittenBy(Side.Client).SelectMany(frame => frame)];

    private static readonly string ServerBytes
        = Convert.ToHexString([.. Expectation.LikeRecorded(Echo, Side.Server).Frames.SelectMany(frame => frame.Bytes)]);

    /// <summary>Where the client's bytes can be cut in two.</summary>
    private static IEnumerable<int> Cuts => Enumerable.Range(1, ClientBytes.Length - 1);

    [Fact]
    public void The_conversation_is_the_documented_one()
        => Assert.Equal([0, 2, 3, RecordedRegistry.EchoId, 1], Echo.WrittenBy(Side.Client).Select(WireBytes.IdOf));

    [Fact]
    public async Task It_works_in_one_write()
        => await TalkAsync(output => output.WriteAsync(ClientBytes).AsTask());

    [Fact]
    public async Task It_works_cut_in_two_anywhere()
    {
        foreach (int cut in Cuts)
        {
            await TalkAsync(async output =>
            {
                await output.WriteAsync(ClientBytes.AsMemory(0, cut));
                await output.WriteAsync(ClientBytes.AsMemory(cut));
            });
        }
    }

    [Fact]
    public async Task It_works_byte_by_byte()
        => await TalkAsync(async output =>
        {
            foreach (byte b in ClientBytes)
                await output.WriteAsync(new[] { b });
        });

    /// <summary>Below the connections, where nothing can glue the two halves together again.</summary>
    [Fact]
    public void The_session_reads_it_cut_in_two_anywhere()
    {
        foreach (int cut in Cuts)
        {
            Assert.Equal(ServerBytes, Read(ClientBytes[..cut], ClientBytes[cut..]));
        }
    }

    [Fact]
    public void The_session_reads_it_byte_by_byte()
        => Assert.Equal(ServerBytes, Read([.. ClientBytes.Select(b => new[] { b })]));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_server_ends_the_stream_first_over_tcp(bool byteByByte)
    {
        await using var peer = new PeerUnderTest(Side.Server, NewRegistry());
        await using Encounter encounter = await peer.OpenAsync();
        if (byteByByte)
            await encounter.Raw.SendOneByOneAsync(ClientBytes);
        else
            await encounter.Raw.SendAsync(ClientBytes);

        // The client has not ended its stream, and does not before this returns.
        List<byte[]> frames = await encounter.Raw.ReadToEndAsync();
        encounter.Raw.End();
        CloseInfo end = await encounter.EndedAsync();
        Assert.Equal(ServerBytes, Convert.ToHexString([.. frames.SelectMany(frame => frame)]));
        Assert.Equal(("reason.clientquit", CloseInitiator.Remote), (end.Reason.Name, end.Initiator));
        Assert.False(encounter.Raw.WasReset);
    }

    private static PacketRegistry NewRegistry()
    {
        PacketRegistry registry = RecordedRegistry.For(Echo, Side.Server, null, () => { });
        Assert.False(registry.AdaptPacketIds);
        return registry;
    }

    private static async Task TalkAsync(Func<PipeWriter, Task> write)
    {
        // Inline: by the time a write returns, the server has read it, so that the halves stay halves.
        var options = new PipeOptions(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false);
        var toServer = new Pipe(options);
        var toClient = new Pipe(options);
        await using var server = new Server(NewRegistry());
        var ended = new TaskCompletionSource<CloseInfo>(TaskCreationOptions.RunContinuationsAsynchronously);
        server.ConnectionLost += (_, e) => ended.TrySetResult(e.CloseInfo);
        Task<Connection> attaching = server.AttachAsync(new DuplexPipe(toServer.Reader, toClient.Writer));
        await write(toServer.Writer).WaitAsync(RawPeer.Patience);
        Connection connection = await attaching.WaitAsync(RawPeer.Patience);

        // The server ends its stream; then the client does.
        using var timeout = new CancellationTokenSource(RawPeer.Patience);
        var received = new MemoryStream();
        await toClient.Reader.CopyToAsync(received, timeout.Token);
        await toServer.Writer.CompleteAsync();
        Assert.Equal(ServerBytes, Convert.ToHexString(received.ToArray()));
        Assert.Equal("reason.clientquit", (await ended.Task.WaitAsync(RawPeer.Patience)).Reason.Name);
        Assert.Equal(CloseInitiator.Remote, (await connection.Closed.WaitAsync(RawPeer.Patience)).Initiator);
    }

    /// <summary>What a session with an echo writes when the parts arrive one after another.</summary>
    private static string Read(params byte[][] parts)
    {
        var output = new ArrayBufferWriter<byte>();
        var session = new Session(NewRegistry().Snapshot().Contract, new SessionLimits());
        session.Start(output);
        byte[] unread = [];
        var seen = new List<SessionEventKind>();
        foreach (byte[] part in parts)
        {
            // What is left of the parts before and this part stay two segments.
            var first = new Segment(unread);
            Segment last = first.Append(part);
            var input = new ReadOnlySequence<byte>(first, 0, last, part.Length);
            while (session.TryRead(ref input, output, out SessionEvent e))
            {
                seen.Add(e.Kind);
                if (e.Kind == SessionEventKind.Packet)
                    output.Write(WireBytes.Frame(RecordedRegistry.ReplyId, e.Payload.ToArray()));
                else if (e.Kind == SessionEventKind.Quit)
                    Assert.Equal("reason.clientquit", e.Reason.Name);
            }

            unread = input.ToArray();
        }

        Assert.Equal([SessionEventKind.Activated, SessionEventKind.Packet, SessionEventKind.Quit], seen);
        Assert.Empty(unread);
        return Convert.ToHexString(output.WrittenSpan);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes) => Memory = bytes;

        public Segment Append(byte[] bytes)
        {
            var next = new Segment(bytes) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
