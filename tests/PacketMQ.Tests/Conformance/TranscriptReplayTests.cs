using System.Buffers;
using System.Buffers.Binary;
using PacketMQ.Serialization;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// Every recorded conversation again, with our server and our client in the place of the recorded ones, over TCP: what ours writes is
/// compared byte for byte with what the recorded side wrote, but for the differences that <see cref="Differences"/> lists.
/// </summary>
public sealed class TranscriptReplayTests
{
    /// <summary>A conversation with more bytes than this is not sent byte by byte.</summary>
    private const int ShortConversation = 2_500;

    private static readonly Side[] Sides = [Side.Server, Side.Client];

    /// <summary>How the bytes of the other side reach ours.</summary>
    private enum Manner
    {
        /// <summary>What was recorded between two of our frames in one write, as soon as ours has written what came before it.</summary>
        AsRecorded,

        /// <summary>Everything in one write: a side that does not wait for the other.</summary>
        InOneWrite,

        /// <summary>As recorded, but each byte in a write of its own.</summary>
        ByteByByte,

        /// <summary>As recorded; our application's payloads are decoded to objects and encoded anew.</summary>
        Decoded,
    }

    public static TheoryData<string, Side> Replays { get; } =
        [.. from name in Conversation.All.Keys from side in Sides where !IsUnplayable(name, side) select (name, side)];

    [Theory]
    [MemberData(nameof(Replays))]
    public async Task Our_side_writes_what_the_recorded_one_wrote(string name, Side side)
    {
        Conversation conversation = Conversation.All[name];
        Expectation expectation = Expect(conversation, side);
        foreach (Manner manner in MannersFor(conversation, side, expectation))
            await PlayAsync(conversation, side, expectation, DifferenceOf(conversation, side)?.Packets, manner);
    }

    /// <summary>The longest conversation ends early for us, at the first value that we refuse. This plays what stands behind it too.</summary>
    [Theory]
    [InlineData(Side.Server)]
    [InlineData(Side.Client)]
    public async Task Every_value_that_we_take_is_echoed_untouched(Side side)
    {
        Conversation recorded = Conversation.All["all_msgpack_types 0"];
        const string arrayAsKey = "920102c4057475706c65"; // in a map with a nil key too
        const string bareText = "746f702d6c6576656c2070793220737472";
        const string answerToBareText = "74";
        var conversation = recorded with
        {
            Steps = recorded.Steps.RemoveAll(step => step.Bytes.Length > 6 && IsRefused(Convert.ToHexStringLower(WireBytes.PayloadOf(step.Bytes)))),
        };
        Assert.Equal(recorded.Steps.Length - 4, conversation.Steps.Length);
        Expectation expectation = Expectation.LikeRecorded(conversation, side);
        foreach (Manner manner in MannersFor(conversation, side, expectation))
            await PlayAsync(conversation, side, expectation, null, manner);

        bool IsRefused(string payload) => payload.Contains(arrayAsKey, StringComparison.Ordinal) || payload is bareText or answerToBareText;
    }

    [Fact]
    public void Every_recorded_conversation_is_played_or_listed_with_the_reason_why_not()
    {
        Dictionary<string, int> counts = Conversation.All.Values.CountBy(conversation => conversation.Transcript).ToDictionary();
        Assert.Equal(
            new Dictionary<string, int>
            {
                ["abrupt_disconnect"] = 3,
                ["all_msgpack_types"] = 13,
                ["data_before_handshake"] = 8,
                ["direct_close"] = 8,
                ["echo"] = 2,
                ["nonequal_packets"] = 7,
                ["oversize_frame"] = 5,
                ["same_adaptive_policy"] = 2,
                ["softquit_by_client"] = 1,
                ["softquit_by_server"] = 1,
                ["str_peer"] = 8,
                ["truncated"] = 28,
                ["unknown_packet_id"] = 4,
                ["version_mismatch"] = 7,
            },
            counts);
        int unplayable = Differences.Unplayable.Sum(row => row.Indices.Length);
        Assert.Equal((97 * 2) - unplayable, Replays.Count);
        Assert.All(Differences.Unplayable, row => Assert.All(row.Indices, index => Assert.Contains($"{row.Transcript} {index}", Conversation.All.Keys)));

        // Every conversation that has bytes is played by our server, or by our client, or by both.
        Assert.All(
            Conversation.All.Values.Where(conversation => conversation.Steps.Length > 0),
            conversation => Assert.Contains(Sides, side => !IsUnplayable(conversation.Name, side)));
    }

    [Fact]
    public void Every_listed_difference_is_one()
    {
        Assert.All(Differences.All, row =>
        {
            Expectation recorded = Expectation.LikeRecorded(Conversation.All[row.Conversation], row.Side);
            Expectation ours = row.Change(recorded);
            Assert.False(IsUnplayable(row.Conversation, row.Side));
            Assert.False(
                Bytes(recorded).SequenceEqual(Bytes(ours)),
                $"{row.Conversation} as {row.Side} is listed but does not differ.");
        });
        Assert.Equal(Differences.All.Length, Differences.All.DistinctBy(row => (row.Conversation, row.Side)).Count());

        static IEnumerable<string> Bytes(Expectation expectation) => expectation.Frames.Select(frame => Convert.ToHexString(frame.Bytes));
    }

    [Fact]
    public void Every_echo_that_the_recorded_server_encoded_anew_is_listed()
    {
        var found = new List<string>();
        foreach (Conversation conversation in Conversation.All.Values.Where(conversation => !IsUnplayable(conversation.Name, Side.Server)))
        {
            byte[][] recorded = [.. conversation.WrittenBy(Side.Server)];
            found.AddRange(Expect(conversation, Side.Server).Frames
                .Where(frame => frame.Recorded >= 0 && WireBytes.IdOf(frame.Bytes) == RecordedRegistry.ReplyId)
                .Where(frame => !frame.Bytes.SequenceEqual(recorded[frame.Recorded]))
                .Select(frame => $"{conversation.Name}, frame {frame.Recorded}"));
        }

        Assert.Equal(Differences.EncodedAnew.Select(row => row.Frame).Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
    }

    private static Difference? DifferenceOf(Conversation conversation, Side side)
        => Differences.All.SingleOrDefault(row => row.Conversation == conversation.Name && row.Side == side);

    private static Expectation Expect(Conversation conversation, Side side)
    {
        Expectation recorded = Expectation.LikeRecorded(conversation, side);
        return DifferenceOf(conversation, side)?.Change(recorded) ?? recorded;
    }

    private static bool IsUnplayable(string name, Side side)
        => Differences.Unplayable.Any(row => row.Side == side && row.Indices.Any(index => name == $"{row.Transcript} {index}"));

    private static IEnumerable<Manner> MannersFor(Conversation conversation, Side side, Expectation expectation)
    {
        yield return Manner.AsRecorded;
        if (!expectation.Frames.Any(frame => frame.IsDecision) && expectation.Unsendable.IsEmpty)
            yield return Manner.InOneWrite;
        if (conversation.Steps.Where(step => step.Sender != side).Sum(step => step.Bytes.Length) < ShortConversation)
            yield return Manner.ByteByByte;
        if (side == Side.Client && expectation.Frames.Any(frame => frame.IsDecision) && expectation.Frames.Where(IsPacket).All(IsDecodable))
            yield return Manner.Decoded;

        static bool IsPacket(ExpectedFrame frame) => WireBytes.IdOf(frame.Bytes) > WireBytes.FinishId;
    }

    private static bool IsDecodable(ExpectedFrame frame)
    {
        try
        {
            DynamicCodec.Read(new ReadOnlySequence<byte>(WireBytes.PayloadOf(frame.Bytes)));
            return true;
        }
        catch (PayloadException)
        {
            return false;
        }
    }

    private static async Task PlayAsync(
        Conversation conversation, Side side, Expectation expectation, (string Name, int Id)[]? packets, Manner manner)
    {
        var arrivals = new SemaphoreSlim(0);
        PacketRegistry registry = RecordedRegistry.For(conversation, side, packets, () => arrivals.Release());
        await using var peer = new PeerUnderTest(side, registry, new PeerOptions { MaxFrameBytes = 99_999 });
        await using Encounter encounter = await peer.OpenAsync();
        RawPeer raw = encounter.Raw;
        var received = new List<byte[]>();
        var unsent = new List<byte>();
        Task quitting = Task.CompletedTask;
        int ours = 0;
        int arriving = 0;
        foreach (Step step in conversation.Steps.Where(step => step.Kind == StepKind.Bytes))
        {
            if (step.Sender != side)
            {
                unsent.AddRange(step.Bytes);
                continue;
            }

            int recorded = ours++;
            if (manner == Manner.InOneWrite)
                continue;
            arriving += CountArrivals(unsent, side);
            await FlushAsync();
            if (expectation.Unsendable.Contains(recorded))
            {
                Connection connection = await encounter.MadeAsync();
                await Assert.ThrowsAsync<PacketException>(async () => await connection.SendEncodedAsync(step.Bytes.AsMemory(4)));
            }

            if (expectation.Frames.FirstOrDefault(frame => frame.Recorded == recorded) is not { } expected)
                continue;
            if (expected is { IsDecision: true, Bytes: var decided })
            {
                for (; arriving > 0; arriving--)
                    Assert.True(await arrivals.WaitAsync(RawPeer.Patience), "A packet of the other side did not reach its handler.");
                quitting = await DecideAsync(await encounter.MadeAsync(), decided, manner);
            }

            await ReceiveAsync(expectation.Frames.IndexOf(expected) + 1);
        }

        await FlushAsync();
        await ReceiveAsync(expectation.Frames.Length);
        bool isReset = conversation.Steps.Any(step => step.Sender != side && step.Kind == StepKind.Reset);
        if (isReset)
            raw.Reset();
        else if (expectation is { Initiator: CloseInitiator.Remote } && !WritesSoftQuit(conversation, side))
            raw.End();

        // In all other cases our side ends its stream first: it has said why, or was told.
        received.AddRange(await raw.ReadToEndAsync());
        await raw.DisposeAsync();
        CloseInfo end = await encounter.EndedAsync();
        await quitting.WaitAsync(RawPeer.Patience);
        Assert.Equal(
            expectation.Frames.Select(frame => Convert.ToHexString(frame.Bytes)), received.Select(Convert.ToHexString));
        Assert.Equal((expectation.Reason, expectation.Initiator), (end.Reason, end.Initiator));
        if (!isReset)
            Assert.False(raw.WasReset, $"{conversation} ({manner}) ended with a reset.");

        async Task FlushAsync()
        {
            byte[] bytes = [.. unsent];
            unsent.Clear();
            if (manner == Manner.ByteByByte)
                await raw.SendOneByOneAsync(bytes);
            else
                await raw.SendAsync(bytes);
        }

        async Task ReceiveAsync(int count)
        {
            while (received.Count < count && await raw.ReadFrameAsync() is { } frame)
                received.Add(frame);
        }
    }

    /// <summary>Does what the recorded application decided to do. The task of a softquit completes when the connection has ended.</summary>
    private static async Task<Task> DecideAsync(Connection connection, byte[] frame, Manner manner)
    {
        if (WireBytes.IdOf(frame) == WireBytes.SoftQuitId)
            return connection.SoftQuitAsync(WireBytes.ReadReason(frame)!);
        if (manner == Manner.Decoded)
        {
            string packet = WireBytes.IdOf(frame) == RecordedRegistry.EchoId ? RecordedRegistry.EchoName : RecordedRegistry.ReplyName;
            object? value = DynamicCodec.Read(new ReadOnlySequence<byte>(WireBytes.PayloadOf(frame)));
            await connection.SendAsync(packet, value);
        }
        else
        {
            await connection.SendEncodedAsync(frame.AsMemory(4));
        }

        return Task.CompletedTask;
    }

    private static bool WritesSoftQuit(Conversation conversation, Side side)
        => conversation.Steps.Any(step => step.Sender != side && step.Kind == StepKind.Bytes && WireBytes.IdOf(step.Bytes) == WireBytes.SoftQuitId);

    /// <summary>How many packets with a counting handler stand in the bytes.</summary>
    private static int CountArrivals(List<byte> bytes, Side side)
    {
        int count = 0;
        byte[] rest = [.. bytes];
        while (side == Side.Client && rest.Length >= 6)
        {
            count += WireBytes.IdOf(rest) == RecordedRegistry.ReplyId ? 1 : 0;
            rest = rest[(4 + BinaryPrimitives.ReadInt32BigEndian(rest))..];
        }

        return count;
    }
}
