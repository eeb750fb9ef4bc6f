namespace PacketMQ.Tests.Conformance;

/// <summary>
/// What the notes of the transcript <c>direct_close</c> say was done to a server without a recorder in between; of its bytes nothing is
/// left, so each test says itself what our server shall answer.
/// </summary>
public sealed class DirectCloseTests
{
    private static readonly byte[] Echo = WireBytes.Frame(RecordedRegistry.EchoId, WireBytes.Hex("81a26f6b01"));
    private static readonly byte[] Reply = WireBytes.Frame(RecordedRegistry.ReplyId, WireBytes.Hex("81a26f6b01"));
    private static readonly byte[] Unknown = WireBytes.Frame(999, WireBytes.Hex("81a17801"));

    [Fact]
    public Task A_softquit_is_answered_with_the_end_of_the_stream()
        => CheckAsync(WireBytes.SoftQuit("reason.bye"), [], "reason.bye", CloseInitiator.Remote);

    [Fact]
    public Task A_half_close_is_answered_with_the_end_of_the_stream()
        => CheckAsync([], [], CloseReason.Disconnected, CloseInitiator.Remote, raw => raw.End());

    [Fact]
    public Task A_request_right_before_a_half_close_is_answered_first()
        => CheckAsync(Echo, [Reply], CloseReason.Disconnected, CloseInitiator.Remote, raw => raw.End());

    [Fact]
    public async Task A_reset_is_a_reset()
    {
        await using PeerUnderTest peer = NewServer();
        await using Encounter encounter = await OpenActiveAsync(peer);
        encounter.Raw.Reset();
        CloseInfo end = await encounter.EndedAsync();
        Assert.Equal((CloseReason.ConnectionReset, CloseInitiator.Transport), (end.Reason, end.Initiator));
    }

    [Fact]
    public Task A_too_large_length_is_refused_before_its_body_comes()
        => CheckAsync(WireBytes.Hex("000186a0"), [WireBytes.SoftQuit(CloseReason.FrameTooLarge)], CloseReason.FrameTooLarge, CloseInitiator.Local);

    [Fact]
    public Task A_too_large_frame_whose_body_is_on_its_way_is_told_why()
        => CheckAsync(
            [.. WireBytes.Hex("000493e0"), .. new byte[300_000]], [WireBytes.SoftQuit(CloseReason.FrameTooLarge)],
            CloseReason.FrameTooLarge, CloseInitiator.Local);

    [Fact]
    public Task An_unknown_packet_with_much_behind_it_is_told_why()
        => CheckAsync(
            [.. Unknown, .. new byte[200_000]], [WireBytes.SoftQuit(CloseReason.UnknownPacket)], CloseReason.UnknownPacket, CloseInitiator.Local);

    [Fact]
    public Task An_unknown_packet_behind_a_request_leaves_the_reply_alone()
        => CheckAsync(
            [.. Echo, .. Unknown], [Reply, WireBytes.SoftQuit(CloseReason.UnknownPacket)], CloseReason.UnknownPacket, CloseInitiator.Local);

    private static async Task CheckAsync(
        byte[] bytes, byte[][] expected, CloseReason reason, CloseInitiator initiator, Action<RawPeer>? then = null)
    {
        await using PeerUnderTest peer = NewServer();
        await using Encounter encounter = await OpenActiveAsync(peer);
        await encounter.Raw.SendAsync(bytes);
        then?.Invoke(encounter.Raw);
        List<byte[]> frames = await encounter.Raw.ReadToEndAsync();
        CloseInfo end = await encounter.EndedAsync();
        Assert.Equal(expected.Select(Convert.ToHexString), frames.Select(Convert.ToHexString));
        Assert.Equal((reason, initiator), (end.Reason, end.Initiator));
        Assert.False(encounter.Raw.WasReset);
        Assert.Empty(encounter.Raw.Rest);
    }

    private static PeerUnderTest NewServer()
    {
        var registry = new PacketRegistry();
        registry.AddPacket(RecordedRegistry.EchoName, new EchoPacket(RecordedRegistry.ReplyName, TextWriter.Null), RecordedRegistry.EchoId);
        registry.AddPacket(RecordedRegistry.ReplyName, Packet.Create((_, _) => { }), RecordedRegistry.ReplyId);
        return new PeerUnderTest(Side.Server, registry, new PeerOptions { MaxFrameBytes = 99_999 });
    }

    private static async Task<Encounter> OpenActiveAsync(PeerUnderTest peer)
    {
        Encounter encounter = await peer.OpenAsync();
        byte[] idMap = WireBytes.IdMap(
            adapt: true, (RecordedRegistry.EchoName, RecordedRegistry.EchoId), (RecordedRegistry.ReplyName, RecordedRegistry.ReplyId));
        await encounter.Raw.SendAsync((byte[])[.. WireBytes.Init, .. idMap, .. WireBytes.Finish]);
        foreach (byte[] expected in (byte[][])[WireBytes.Init, RecordedRegistry.ServerIdMap, WireBytes.Finish])
            Assert.Equal(expected, await encounter.Raw.ReadFrameAsync());
        await encounter.MadeAsync();
        return encounter;
    }
}
