using System.Buffers;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>Reads a non-blocking stream socket, with no pipe between.</summary>
internal sealed class SocketPipeReader(Socket socket, SocketFault fault, ReceiveSpin spin, ArrayPool<byte> pool) : ReceivingPipeReader(pool)
{
    // Without expectation the wait is tried first: it looks at the socket too, and needs no buffer for it.
    private bool _expectsBytes = true;

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
        return (_expectsBytes && TryReceive(hasArrived: false, out count)) || (spin.TryWait(cancel) && TryReceive(hasArrived: true, out count));
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    protected override async ValueTask<bool> WaitForBytesAsync(CancellationToken wake)
    {
        try
        {
            await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, wake).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        catch (SocketException exception)
        {
            throw fault.Report(exception);
        }
        catch (ObjectDisposedException)
        {
            throw fault.ToException();
        }
    }

    protected override void ThrowIfClosedHere()
    {
        if (fault.IsClosedHere)
            throw fault.ToException();
    }
}
