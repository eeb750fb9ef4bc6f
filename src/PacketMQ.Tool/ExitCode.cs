namespace PacketMQ.Tool;

/// <summary>What the command tells a script.</summary>
internal static class ExitCode
{
    /// <summary>It did what was asked.</summary>
    public const int Success = 0;

    /// <summary>Something else went wrong: the port is taken, standard input can't be read.</summary>
    public const int Failure = 1;

    /// <summary>The command line, or the value to send, is not right; nothing was sent.</summary>
    public const int Usage = 2;

    /// <summary>The connection could not be made or ended early, or the server does not have the packet.</summary>
    public const int Refused = 3;

    /// <summary>The time was up.</summary>
    public const int TimedOut = 4;
}
