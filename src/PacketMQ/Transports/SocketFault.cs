using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>
/// Why a socket can no longer be used, shared by its reader and its writer. The kernel hands an error out once, to whichever
/// direction asks first, and answers the other one with an innocent end of stream: so the first cause is kept here and both tell
/// it. Thread-safe.
/// </summary>
internal sealed class SocketFault
{
    private Cause? _cause;
    private volatile bool _closedHere;
    private volatile bool _isWritingEnded;

    /// <summary>The connection was aborted or disposed on this side: nothing more is read or written, not even what had arrived.</summary>
    public bool IsClosedHere => _closedHere;

    // An end of stream now would be a lie. A broken pipe is no such cause: it means that the other side had ended its own
    // direction properly before it refused ours.
    private bool IsReset => Volatile.Read(ref _cause) is { Error.SocketErrorCode: not SocketError.Shutdown };

    public void CloseHere(string message)
    {
        Interlocked.CompareExchange(ref _cause, new Cause(message, null), null);
        _closedHere = true;
    }

    /// <summary>This side is about to end its direction.</summary>
    public void EndWriting() => _isWritingEnded = true;

    /// <summary>The reader was told of the end of the stream. Throws if it is none.</summary>
    public void ThrowUnlessEnded(Socket socket)
    {
        // The writer may have been told of the reset, and not have come to report it. Behind a real end the connection is still there, half of
        // it, unless this side has ended its own half; which it says before it does.
        if (!IsReset && TcpInformation.IsOver(socket) && !_isWritingEnded)
            throw Report(SocketError.ConnectionReset);
        if (IsReset || IsClosedHere)
            throw ToException();
    }

    public IOException Report(SocketError error) => Report(new SocketException((int)error));

    /// <summary>Takes down an error unless there is one already, and returns what to throw: the first.</summary>
    public IOException Report(SocketException error)
    {
        Interlocked.CompareExchange(ref _cause, new Cause($"The connection failed: {error.Message}.", error), null);
        return ToException();
    }

    /// <summary>A new exception each time: two threads may throw it at once.</summary>
    public IOException ToException()
        => Volatile.Read(ref _cause) is { } cause
            ? new IOException(cause.Message, cause.Error)
            : new IOException("The connection is closed.");

    private sealed record Cause(string Message, SocketException? Error);
}
