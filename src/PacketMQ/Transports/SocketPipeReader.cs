using System.Buffers;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>Reads a non-blocking stream socket, with no pipe between.</summary>
internal sealed class SocketPipeReader(Socket socket, SocketFault fault, ArrayPool<byte> pool) : ReceivingPipeReader(pool)
{
    // Without expectation the wait is tried first: it looks at the socket too, and needs no buffer for it.
    private bool _expectsBytes = true;

    /// <summary>How to ask for bytes before waiting for them; null: not at all. Set before anything is read.</summary>
    public ReceiveSpin? Spin { get; set; }

    protected override bool TryReceive(bool hasArrived, out int count)
    {
        SocketError error;
        try
        {
            count = socket.Receive(Buffer.GetFreeSpace(), SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            throw fault.ToException();
        }

        _expectsBytes = error != SocketError.WouldBlock;
        if (!_expectsBytes)
            return false;
        if (error != SocketError.Success)
            throw fault.Report(error);
        if (count == 0 && (fault.IsReset || fault.IsClosedHere))
            throw fault.ToException();
        return true;
    }

    protected override bool TryReceiveSoon(CancelSignal cancel, out int count)
    {
        count = 0;
        return (_expectsBytes && TryReceive(hasArrived: false, out count)) || (Spin is { } spin && spin.TryWait(cancel) && TryReceive(hasArrived: true, out count));
    }

    protected override ValueTask<int> WaitForBytesAsync(CancellationToken wake) => socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, wake);

    protected override Exception Explain(Exception exception) => exception switch
    {
        SocketException error => fault.Report(error),
        ObjectDisposedException => fault.ToException(),
        _ => exception,
    };

    protected override void ThrowIfClosedHere()
    {
        if (fault.IsClosedHere)
            throw fault.ToException();
    }
}
