using System.Buffers.Binary;
using System.Collections.Immutable;

namespace PacketMQ.Tests.Conformance;

/// <summary>A frame that our side shall write.</summary>
/// <param name="Bytes">The whole frame.</param>
/// <param name="Recorded">Which frame of the recorded side it stands for; -1: the recorded side wrote none.</param>
/// <param name="IsDecision">Whether the recorded application decided to send it; otherwise the protocol makes our side write it.</param>
internal sealed record ExpectedFrame(byte[] Bytes, int Recorded, bool IsDecision);

/// <summary>What our side shall do in the place of the recorded one: the bytes it writes, and how its connection ends.</summary>
internal sealed record Expectation(ImmutableArray<ExpectedFrame> Frames, CloseReason Reason, CloseInitiator Initiator)
{
    /// <summary>The recorded side's frames that our side refuses to send, with an exception at the caller.</summary>
    public ImmutableArray<int> Unsendable { get; init; } = [];

    /// <summary>
    /// What the recorded side did, but for the three rules in which we differ on purpose everywhere: the id map lists the defaults
    /// first, then the packets in registration order (here: the order in which the recorded map has them); control packets have BIN
    /// (a scripted recorded side had STR); and an echo is the request's payload byte for byte (Python decodes it and encodes it
    /// anew; <see cref="Differences.EncodedAnew"/> lists where that shows).
    /// </summary>
    public static Expectation LikeRecorded(Conversation conversation, Side side)
    {
        var frames = new List<ExpectedFrame>();
        var unanswered = new Queue<byte[]>();
        foreach (Step step in conversation.Steps.Where(step => step.Kind == StepKind.Bytes))
        {
            int id = WireBytes.IdOf(step.Bytes);
            if (step.Sender == side)
                frames.Add(new ExpectedFrame(InOurWords(step.Bytes, id, unanswered, out bool isDecision), frames.Count, isDecision));
            else if (side == Side.Server && id == RecordedRegistry.EchoId)
                unanswered.Enqueue(step.Bytes);
        }

        (CloseReason reason, CloseInitiator initiator) = RecordedEnd(conversation, side, frames);
        return new([.. frames], reason, initiator);
    }

    private static byte[] InOurWords(byte[] frame, int id, Queue<byte[]> unanswered, out bool isDecision)
    {
        isDecision = false;
        switch (id)
        {
            case WireBytes.InitId:
                return WireBytes.Init;
            case WireBytes.IdMapId:
                (bool adapt, List<(string Name, int Id)> entries) = WireBytes.ReadIdMap(frame);
                return WireBytes.IdMap(adapt, [.. entries.Where(entry => entry.Id > WireBytes.FinishId)]);
            case WireBytes.SoftQuitId:
                string reason = WireBytes.ReadReason(frame)!;
                isDecision = !IsProtocolReason(reason);
                return WireBytes.SoftQuit(reason);
            case RecordedRegistry.ReplyId when unanswered.TryDequeue(out byte[]? request):
                return WireBytes.Frame(id, WireBytes.PayloadOf(request));
            default:
                isDecision = id > WireBytes.FinishId;
                return frame;
        }
    }

    private static (CloseReason Reason, CloseInitiator Initiator) RecordedEnd(Conversation conversation, Side side, List<ExpectedFrame> ours)
    {
        if (ours.FirstOrDefault(frame => WireBytes.IdOf(frame.Bytes) == WireBytes.SoftQuitId) is { } softQuit)
            return (WireBytes.ReadReason(softQuit.Bytes)!, CloseInitiator.Local);
        Step[] theirs = [.. conversation.Steps.Where(step => step.Sender != side)];
        if (theirs.FirstOrDefault(step => step.Kind == StepKind.Bytes && WireBytes.IdOf(step.Bytes) == WireBytes.SoftQuitId) is { } theirQuit)
            return (WireBytes.ReadReason(theirQuit.Bytes) ?? CloseReason.Unknown, CloseInitiator.Remote);
        if (theirs.Any(step => step.Kind == StepKind.Reset))
            return (CloseReason.ConnectionReset, CloseInitiator.Transport);
        byte[] last = theirs.LastOrDefault(step => step.Kind == StepKind.Bytes)?.Bytes ?? [0, 0, 0, 0];
        bool isCut = last.Length < 4 || last.Length < 4 + BinaryPrimitives.ReadUInt32BigEndian(last);
        return (isCut ? CloseReason.TruncatedFrame : CloseReason.Disconnected, CloseInitiator.Remote);
    }

    private static bool IsProtocolReason(string reason)
        => reason is "reason.versionmismatch" or "reason.sameadaptivepolicy" or "reason.nonequalpackets";
}
