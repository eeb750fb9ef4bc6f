using System.Buffers;

namespace PacketMQ.Wire;

/// <summary>
/// What an id map led to, and its bytes. Thousands of connections of one program announce the same: then nothing is decoded and nothing
/// compared again, and they share all that follows from it. Immutable.
/// </summary>
/// <param name="Payload">The packet's payload.</param>
/// <param name="Limits">Under which limits it was accepted.</param>
/// <param name="PeerNames">What it lists.</param>
/// <param name="Agreement">Which ids the connection has.</param>
internal sealed record AcceptedIdMap(byte[] Payload, SessionLimits Limits, PeerNames PeerNames, Agreement Agreement)
{
    /// <summary>Whether that payload leads to the same.</summary>
    public bool Is(in ReadOnlySequence<byte> payload, SessionLimits limits)
    {
        if (payload.Length != Payload.Length || limits != Limits)
            return false;
        int start = 0;
        foreach (ReadOnlyMemory<byte> piece in payload)
        {
            if (!piece.Span.SequenceEqual(Payload.AsSpan(start, piece.Length)))
                return false;
            start += piece.Length;
        }

        return true;
    }
}
