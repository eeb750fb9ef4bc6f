using System.Collections.Immutable;

namespace PacketMQ.Tests.Conformance;

/// <summary>Where our side does, on purpose, something else than the recorded one. Whatever differs and is not listed here is an error.</summary>
internal sealed record Difference(string Conversation, Side Side, string Why, Func<Expectation, Expectation> Change)
{
    /// <summary>The client's registry, where the recording does not show it.</summary>
    public (string Name, int Id)[]? Packets { get; init; }
}

/// <summary>A side of conversations that our peer can't take, and why.</summary>
internal sealed record Unplayable(string Transcript, Side Side, int[] Indices, string Why);

internal static class Differences
{
    private const string Strict =
        "Python ignores what comes out of order, or takes it as it is; the strict order is ours and safe with real peers";

    private const string ToldWhy = "Python just drops TCP; we say why first";

    private const string Trailing = "Python ignores the bytes behind the first value; we refuse them";

    private const string NoSuchKeys = "Python turns an array that is a key into a tuple, and has None as a key; our maps have neither";

    private const string BareText = "Python sends a bare str without encoding it; ours is an error at the caller";

    /// <summary>Every difference, beyond the three rules of <see cref="Expectation.LikeRecorded"/>.</summary>
    public static ImmutableArray<Difference> All { get; } =
    [
        // The recorded server: what ours does in its place.
        Server("version_mismatch 1", "version '1' is no number: a bad handshake, not another version", Refuses(1, CloseReason.BadHandshake)),
        Server("version_mismatch 2", "Python compares 1.0 == 1; a version is an integer", Refuses(1, CloseReason.BadHandshake)),
        Server("version_mismatch 3", "Python compares True == 1; a version is an integer", Refuses(1, CloseReason.BadHandshake)),
        Server("version_mismatch 4", "Python goes on after its own softquit; we discard what comes behind it", Keeps(2)),
        Server("version_mismatch 5", ToldWhy, Refuses(1, CloseReason.BadHandshake)),
        Server("str_peer 2", "the recorded client softquits (falsely); Python's server goes on after that, ours is through", Keeps(3)),
        Server("str_peer 5", "Python never looks for the id map of an adapting client; ours must be there", Refuses(2, CloseReason.BadHandshake)),
        Server("str_peer 6", ToldWhy, Refuses(2, CloseReason.BadHandshake)),
        Server("data_before_handshake 0", Strict, Refuses(2, CloseReason.UnexpectedPacket)),
        Server(
            "data_before_handshake 1", "Python loses the id map that it had written when it drops TCP; we write it, then say why",
            Writes(1, [RecordedRegistry.ServerIdMap], CloseReason.UnexpectedPacket)),
        Server("data_before_handshake 2", Strict, Refuses(1, CloseReason.UnexpectedPacket)),
        Server("data_before_handshake 3", Strict, Refuses(2, CloseReason.UnexpectedPacket)),
        Server("data_before_handshake 4", Strict, Refuses(1, CloseReason.UnexpectedPacket)),
        Server("data_before_handshake 5", Strict, Refuses(1, CloseReason.UnexpectedPacket)),
        Server("data_before_handshake 7", Strict, Refuses(4, CloseReason.UnexpectedPacket)),
        Server("abrupt_disconnect 2", "Python's INIT was lost as both ended; ours is written first", Writes(0, [WireBytes.Init], null)),
        Server("unknown_packet_id 0", ToldWhy, Refuses(4, CloseReason.UnknownPacket)),
        Server(
            "unknown_packet_id 1", "Python loses the reply that it had written when it drops TCP; ours goes out, then the reason",
            Writes(3, [WireBytes.Frame(RecordedRegistry.ReplyId, WireBytes.Hex("81a26f6b01"))], CloseReason.UnknownPacket)),
        Server("unknown_packet_id 2", ToldWhy, Refuses(1, CloseReason.UnexpectedPacket)),
        Server("oversize_frame 0", ToldWhy, Refuses(4, CloseReason.FrameTooLarge)),
        Server("oversize_frame 1", ToldWhy, Refuses(3, CloseReason.FrameTooLarge)),
        Server("oversize_frame 2", ToldWhy, Refuses(1, CloseReason.FrameTooLarge)),
        Server("oversize_frame 3", ToldWhy, Refuses(4, CloseReason.FrameTooLarge)),
        Server("oversize_frame 4", ToldWhy, Refuses(3, CloseReason.FrameTooLarge)),
        Server("truncated 2", ToldWhy, Refuses(3, CloseReason.FrameTooSmall)),
        Server("truncated 3", ToldWhy, Refuses(3, CloseReason.FrameTooSmall)),
        Server("truncated 4", ToldWhy, Refuses(3, CloseReason.MalformedPayload)),
        Server("truncated 5", ToldWhy, Refuses(3, CloseReason.MalformedPayload)),
        Server("truncated 6", Trailing, Refuses(3, CloseReason.MalformedPayload)),
        Server("truncated 7", ToldWhy, Refuses(3, CloseReason.MalformedPayload)),
        Server("truncated 8", ToldWhy, Refuses(3, CloseReason.MalformedPayload)),
        Server("truncated 9", ToldWhy, Refuses(3, CloseReason.DuplicateKey)),
        Server("truncated 10", ToldWhy, Refuses(3, CloseReason.DuplicateKey)),
        Server("truncated 11", "1 and True are one key to Python; to us they are two", Echoes(3, "820101c302")),
        Server("truncated 12", "1 and 1.0 are one key to Python; to us they are two", Echoes(3, "820101cb3ff000000000000002")),
        Server("truncated 13", "Python can't use a map as a key; an echo does not need to", Echoes(3, "8181a16b0101")),
        Server("truncated 15", "u-msgpack 2.1 knows no extension type from 128; a timestamp is a value", Echoes(3, "d6ff00000001")),
        Server("truncated 16", "u-msgpack 2.1 knows no extension type from 128; to us it is a value", Echoes(3, "c703c8616263")),
        Server("truncated 17", "u-msgpack 2.1 can't use an extension as a key; we can", Echoes(3, "81d4016101")),
        Server("truncated 22", ToldWhy, Refuses(3, CloseReason.DepthExceeded)),
        Server("truncated 23", ToldWhy, Refuses(3, CloseReason.DepthExceeded)),
        Server("truncated 27", "Python answers what stands behind a softquit in the same write; we discard it", Keeps(3)),
        Server("all_msgpack_types 0", Trailing, Refuses(76, CloseReason.MalformedPayload)),
        Server("all_msgpack_types 1", Trailing, Refuses(3, CloseReason.MalformedPayload)),
        Server("all_msgpack_types 9", ToldWhy, Refuses(3, CloseReason.MalformedPayload)),
        Server("all_msgpack_types 10", ToldWhy, Refuses(3, CloseReason.MalformedPayload)),

        // The recorded client: what ours does in its place.
        Client("nonequal_packets 0", "Python goes on to FINISH after its own softquit; we are through", Keeps(3)),
        Client("nonequal_packets 1", "Python goes on to FINISH after its own softquit; we are through", Keeps(3)),
        Client("nonequal_packets 2", "Python goes on to FINISH after its own softquit; we are through", Keeps(3)),
        Client(
            "nonequal_packets 3", "Python fails on ids that are a permutation of its own; we take the server's",
            Writes(
                1,
                [
                    WireBytes.IdMap(
                        adapt: true, (RecordedRegistry.EchoName, RecordedRegistry.ReplyId), (RecordedRegistry.ReplyName, RecordedRegistry.EchoId)),
                    WireBytes.Finish,
                ],
                null)) with
            {
                Packets = [(RecordedRegistry.EchoName, RecordedRegistry.ReplyId), (RecordedRegistry.ReplyName, RecordedRegistry.EchoId)],
            },
        Client("nonequal_packets 5", "Python compares the order of its dictionaries; the names are equal", GoesOnWithout(2)),
        Client("str_peer 2", "Python compares the order of its dictionaries; the names are equal", GoesOnWithout(2)),
        Client("data_before_handshake 0", "ConnectAsync gives a connection only once it is active", NeverSends(1)),
        Client("data_before_handshake 1", "ConnectAsync gives a connection only once it is active", NeverSends(1)),
        Client("oversize_frame 4", "Python does not check what it sends; ours is an error at the caller", CanNotSend(3)),
        Client("all_msgpack_types 0", NoSuchKeys, Refuses(67, CloseReason.TypeMismatch)),
        Client("all_msgpack_types 1", BareText, CanNotSend(3)),
        Client("all_msgpack_types 9", BareText, CanNotSend(3)),
        Client("all_msgpack_types 10", BareText, CanNotSend(3)),
        Client("unknown_packet_id 3", ToldWhy, Refuses(4, CloseReason.UnknownPacket)),
    ];

    /// <summary>The echoes of a recorded server whose bytes are not those of the request, and what Python did to them.</summary>
    public static ImmutableArray<(string Frame, string Why)> EncodedAnew { get; } =
    [
        ("all_msgpack_types 0, frame 66", "the map came back in hash order"),
        ("echo 0, frame 3", "the map came back in hash order"),
        ("echo 1, frame 3", "the map came back in hash order"),
        ("nonequal_packets 4, frame 3", "the map came back in hash order"),
        ("nonequal_packets 6, frame 3", "the map came back in hash order"),
        ("oversize_frame 0, frame 3", "a bare str came back without its header"),
        ("truncated 18, frame 3", "a float32 came back as float64"),
        ("truncated 19, frame 3", "a float32 came back as float64"),
        ("truncated 20, frame 3", "integers came back in their shortest form"),
        ("truncated 21, frame 3", "a str8 came back as fixstr"),
    ];

    /// <summary>The sides that are not played, with the reason.</summary>
    public static ImmutableArray<Unplayable> Unplayable { get; } =
    [
        new(
            "direct_close", Side.Server, [0, 1, 2, 3, 4, 5, 6, 7],
            "no recorder was between the two: there are no bytes; DirectCloseTests does what the notes say"),
        new("direct_close", Side.Client, [0, 1, 2, 3, 4, 5, 6, 7], "as above"),
        new("version_mismatch", Side.Server, [6], "the recorded server is a script that speaks version 2; our server can't"),
        new("unknown_packet_id", Side.Server, [3], "the recorded server is a script that sends an id it never announced; our server can't"),
        new("version_mismatch", Side.Client, [0, 1, 2, 3, 4, 5], "the recorded client is a script with a wrong version; our client can't"),
        new("str_peer", Side.Client, [5, 6, 7], "the recorded client is a script that leaves out or changes fields; our client can't"),
        new("data_before_handshake", Side.Client, [2, 3, 4, 5, 7], "the recorded client is a script that breaks the order; our client can't"),
        new("data_before_handshake", Side.Client, [6], "the recorded client is a script that does not wait for the server; our client does"),
        new("abrupt_disconnect", Side.Client, [0, 1, 2], "the recorded client is a script that vanishes without a softquit; ours only aborts"),
        new(
            "unknown_packet_id", Side.Client, [0, 1, 2],
            "the recorded client is a script that sends an id which was not agreed on; our client can't"),
        new("oversize_frame", Side.Client, [0, 1, 2, 3], "the recorded client is a script that sends too long frames; our client can't"),
        new(
            "truncated", Side.Client, [.. Enumerable.Range(0, 28)],
            "the recorded client is a script that sends broken or unusual payloads; our client can't, or has no reason to"),
    ];

    private static Difference Server(string conversation, string why, Func<Expectation, Expectation> change)
        => new(conversation, Side.Server, why, change);

    private static Difference Client(string conversation, string why, Func<Expectation, Expectation> change)
        => new(conversation, Side.Client, why, change);

    /// <summary>Writes the first frames of the recorded side and not the others.</summary>
    private static Func<Expectation, Expectation> Keeps(int count)
        => expectation => expectation with { Frames = expectation.Frames[..count] };

    /// <summary>Writes the first frames of the recorded side, then a softquit with a reason of ours.</summary>
    private static Func<Expectation, Expectation> Refuses(int count, CloseReason reason) => Writes(count, [], reason);

    /// <summary>Writes the first frames of the recorded side, then an echo, and goes on.</summary>
    private static Func<Expectation, Expectation> Echoes(int count, string payload)
        => Writes(count, [WireBytes.Frame(RecordedRegistry.ReplyId, WireBytes.Hex(payload))], null);

    private static Func<Expectation, Expectation> Writes(int count, byte[][] then, CloseReason? reason) => expectation =>
    {
        IEnumerable<ExpectedFrame> added = then.Select(frame => new ExpectedFrame(frame, -1, false));
        if (reason is { } given)
        {
            added = added.Append(new ExpectedFrame(WireBytes.SoftQuit(given), -1, false));
            expectation = expectation with { Reason = given, Initiator = CloseInitiator.Local };
        }

        return expectation with { Frames = [.. expectation.Frames[..count], .. added] };
    };

    /// <summary>Leaves one frame out and does everything else; a softquit that is left out does not end the connection.</summary>
    private static Func<Expectation, Expectation> GoesOnWithout(int index) => expectation =>
    {
        ImmutableArray<ExpectedFrame> frames = expectation.Frames.RemoveAt(index);
        return frames.FirstOrDefault(frame => WireBytes.IdOf(frame.Bytes) == WireBytes.SoftQuitId) is { } softQuit
            ? expectation with { Frames = frames, Reason = WireBytes.ReadReason(softQuit.Bytes)! }
            : new Expectation(frames, CloseReason.Disconnected, CloseInitiator.Remote);
    };

    private static Func<Expectation, Expectation> NeverSends(int index)
        => expectation => expectation with { Frames = expectation.Frames.RemoveAt(index) };

    private static Func<Expectation, Expectation> CanNotSend(int index)
        => expectation => expectation with { Frames = expectation.Frames.RemoveAt(index), Unsendable = [index] };
}
