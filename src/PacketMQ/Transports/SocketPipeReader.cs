using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>Reads a non-blocking stream socket, with no pipe between.</summary>
internal sealed class SocketPipeReader(Socket socket, SocketFault fault, ArrayPool<byte> pool) : ReceivingPipeReader(pool)
{
    // Who receives so much at once has a stream. Where one runs dry, others get their turn so often before its thread waits: the sender is often
    // one of them, or goes on meanwhile, and a wait costs waking two threads, which then look for more work. Fewer turns help less,
    // more of them no more, and twenty do harm (bench/results/2026-11-23-lull.md).
    private const int StreamBytes = 16 * 1024;
    private const int MostTurns = 3;

    private Arrival? _arrival; // since a read first had to wait

    // Without expectation the wait is tried first: it looks at the socket too, and needs no buffer for it.
    private bool _expectsBytes = true;
    private bool _isStream;

    /// <summary>How to ask for bytes before waiting for them; null: not at all. Set before anything is read.</summary>
    public ReceiveSpin? Spin { get; set; }

    public override void Close()
    {
        base.Close();
        _arrival?.Dispose(); // if it is pending: once it has ended
    }

    protected override bool TryReceive(out int count)
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
        if (count == 0)
            fault.ThrowUnlessEnded(socket);
        _isStream = count >= StreamBytes;
        return true;
    }

    protected override bool TryReceiveSoon(out int count)
    {
        count = 0;
        return (_expectsBytes && (TryReceive(out count) || (_isStream && TryReceiveAfterOthers(out count)))) || (Spin is { } spin && spin.TryWait(this) && TryReceive(out count));
    }

    private bool TryReceiveAfterOthers(out int count)
    {
        for (int i = 0; i < MostTurns; i++)
        {
            Thread.Yield();
            if (TryReceive(out count))
                return true;
        }

        count = 0;
        return _isStream = false;
    }

    protected override void BeginWaitForArrival()
    {
        _arrival ??= new Arrival(this);
        if (!socket.ReceiveAsync(_arrival))
            OnArrival(_arrival.SocketError);
    }

    protected override Exception Explain(Exception exception) => exception is ObjectDisposedException ? fault.ToException() : exception;

    protected override void ThrowIfClosedHere()
    {
        if (fault.IsClosedHere)
            throw fault.ToException();
    }

    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A lack of memory ends this connection, not the process.")]
    private void OnArrival(SocketError error)
    {
        Exception? failure = null;
        try
        {
            if (error != SocketError.Success)
                failure = fault.Report(error);
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        OnArrival(failure);
    }

    // A receive of no bytes, which ends when there are some. It captures no ExecutionContext.
    private sealed class Arrival(SocketPipeReader reader) : SocketAsyncEventArgs(true)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => reader.OnArrival(SocketError);
    }
}
