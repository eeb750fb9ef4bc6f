namespace PacketMQ;

/// <summary>The connection has ended, or could not be made: <see cref="CloseInfo"/> says why.</summary>
public sealed class ConnectionClosedException : PacketMQException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="closeInfo">How the connection ended.</param>
    public ConnectionClosedException(CloseInfo closeInfo)
        : base(Describe(closeInfo), closeInfo?.Exception)
        => CloseInfo = closeInfo!;

    /// <summary>How the connection ended.</summary>
    public CloseInfo CloseInfo { get; }

    private static string Describe(CloseInfo closeInfo)
    {
        ArgumentNullException.ThrowIfNull(closeInfo);
        return $"{closeInfo.Reason}: {closeInfo.Description}";
    }
}
