namespace PacketMQ.Tests.Conformance;

/// <summary>One attack on one connection of a peer, with everything that is promised about its end or its going on.</summary>
internal static class BadInputRun
{
    public static async Task AttackAsync(PeerUnderTest peer, BadInput input, TargetLog log)
    {
        int handledBefore = log.Handled;
        bool adapts = peer.Peer.Registry.AdaptPacketIds;
        await using Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, input.Stage, adapts);
        await encounter.Raw.TrySendAsync(input.Bytes);
        if (input.Afterwards == Afterwards.EndsItsStream)
            encounter.Raw.End();
        if (input.Reason is { } reason)
            await CheckEndAsync(encounter, input, reason);
        else
            await CheckGoesOnAsync(encounter, input, adapts);
        Assert.Equal(input.Handled, log.Handled - handledBefore);
        if (input.Handled > 0)
            Assert.True(input.Fits(log.Last), $"The handler got {log.Last}.");
    }

    private static async Task CheckEndAsync(Encounter encounter, BadInput input, CloseReason reason)
    {
        // This side has not ended its stream: ours ends first, and not with a reset.
        List<byte[]> frames = await encounter.Raw.ReadToEndAsync();
        await encounter.Raw.DisposeAsync();
        CloseInfo end = await encounter.EndedAsync();
        Assert.Equal((reason, input.Initiator), (end.Reason, end.Initiator));
        Assert.Contains(input.Hint, end.Description, StringComparison.Ordinal);
        Assert.DoesNotContain(end.Description, char.IsControl);
        bool saysWhy = input.Initiator == CloseInitiator.Local && !input.IsDropped;
        Assert.Equal(saysWhy ? 1 : 0, frames.Count(frame => WireBytes.IdOf(frame) == WireBytes.SoftQuitId));
        if (saysWhy)
            Assert.Equal(WireBytes.SoftQuit(reason), frames[^1]);
        Assert.DoesNotContain(frames, frame => WireBytes.IdOf(frame) == TargetLog.ReplyId);
        Assert.Empty(encounter.Raw.Rest);
        if (!input.IsDropped && !input.IsFlood)
            Assert.False(encounter.Raw.WasReset);
        Assert.Equal(input.Stage == Stage.Active, encounter.WasMade);
    }

    private static async Task CheckGoesOnAsync(Encounter encounter, BadInput input, bool adapts)
    {
        if (input.Stage == Stage.Connected)
        {
            Assert.Equal(WireBytes.Init, await encounter.Raw.ReadFrameAsync());
            Assert.Equal(Handshake.OurIdMap(adapts), await encounter.Raw.ReadFrameAsync());
            await encounter.Raw.SendAsync((byte[])[.. Handshake.IdMap(adapts), .. WireBytes.Finish]);
            Assert.Equal(WireBytes.Finish, await encounter.Raw.ReadFrameAsync());
            await encounter.MadeAsync();
        }

        for (int i = 0; i < input.Handled; i++)
            Assert.Equal(WireBytes.Frame(TargetLog.ReplyId, 0xc0), await encounter.Raw.ReadFrameAsync());
        await encounter.Raw.SendAsync(WireBytes.Frame(TargetLog.EchoId, 0xc3));
        Assert.Equal(WireBytes.Frame(TargetLog.EchoReplyId, 0xc3), await encounter.Raw.ReadFrameAsync());
        Assert.False(encounter.HasEnded);
        await encounter.Raw.SendAsync(WireBytes.SoftQuit("reason.bye"));
        Assert.Empty(await encounter.Raw.ReadToEndAsync());
    }
}
