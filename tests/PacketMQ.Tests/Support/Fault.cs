namespace PacketMQ.Tests.Support;

/// <summary>A direction of a stream between a client and a server.</summary>
public enum Way
{
    ToServer,
    ToClient,
}

/// <summary>What a <see cref="ChaosProxy"/> does to a stream.</summary>
public enum FaultKind
{
    /// <summary>The receiver's stream ends here; what the sender goes on to say is thrown away.</summary>
    End,

    /// <summary>Both sides get a TCP reset. They have been heard from before.</summary>
    Reset,

    /// <summary>Nothing is taken from the sender until <see cref="ProxiedStream.Release"/>.</summary>
    Stall,

    /// <summary>From here on nothing gets through this way, the end of the stream included; the sender does not notice.</summary>
    Swallow,

    /// <summary>One bit of the byte at this place is inverted.</summary>
    Flip,
}

/// <summary>Where something happens to a stream: so many whole frames have passed, and so many bytes of the next one.</summary>
/// <param name="Way">In which direction.</param>
/// <param name="Frame">How many frames have passed.</param>
/// <param name="Byte">How many bytes of the next frame have passed, its length included.</param>
/// <param name="Kind">What happens.</param>
/// <param name="Bit">With <see cref="FaultKind.Flip"/>: which bit, from the lowest.</param>
public sealed record Fault(Way Way, int Frame, int Byte, FaultKind Kind, int Bit = 0);
