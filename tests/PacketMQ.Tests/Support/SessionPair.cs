using PacketMQ.Wire;

namespace PacketMQ.Tests.Support;

/// <summary>Two sessions joined by nothing: what one writes is handed to the other until both are quiet.</summary>
internal sealed class SessionPair(Contract left, Contract right, SessionLimits? leftLimits = null, SessionLimits? rightLimits = null)
{
    public SessionEnd Left { get; } = new(left, leftLimits);

    public SessionEnd Right { get; } = new(right, rightLimits);

    /// <summary>What each end threw; as a connection does, it then quits with the reason.</summary>
    public ProtocolException? LeftFailure { get; private set; }

    public ProtocolException? RightFailure { get; private set; }

    public SessionPair Start()
    {
        Left.Start();
        Right.Start();
        return this;
    }

    /// <param name="chunkBytes">How many bytes arrive at a time.</param>
    public SessionPair Exchange(int chunkBytes = int.MaxValue)
    {
        while (true)
        {
            byte[] toRight = Left.TakeOutput();
            byte[] toLeft = Right.TakeOutput();
            if (toRight.Length + toLeft.Length == 0)
                return this;
            RightFailure ??= Deliver(Right, toRight, chunkBytes);
            LeftFailure ??= Deliver(Left, toLeft, chunkBytes);
        }
    }

    private static ProtocolException? Deliver(SessionEnd to, byte[] bytes, int chunkBytes)
    {
        try
        {
            foreach (byte[] chunk in bytes.Chunk(chunkBytes))
                to.Receive(chunk);
            return null;
        }
        catch (ProtocolException exception)
        {
            to.Quit(exception.Reason);
            return exception;
        }
    }
}
