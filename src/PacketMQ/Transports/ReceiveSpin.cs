using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>
/// Asks a socket again and again whether something has come, for some microseconds, where a wait would put the thread to sleep: waking it
/// costs more than the next packet of a lively conversation takes.
/// </summary>
/// <param name="socket">The socket.</param>
/// <param name="time">How long to ask.</param>
internal sealed class ReceiveSpin(Socket socket, TimeSpan time)
{
    // A thread that spins serves nobody else, so the others keep half of the machine; with one processor nobody spins.
    private static readonly int MaxSpinning = Environment.ProcessorCount / 2;
    private static int _spinning;

    /// <summary>Whether there is something to receive. False at once if enough others spin, or once <paramref name="reader"/> is cancelled.</summary>
    public bool TryWait(SocketPipeReader? reader)
    {
        try
        {
            return Interlocked.Increment(ref _spinning) <= MaxSpinning && Spin(reader);
        }
        finally
        {
            Interlocked.Decrement(ref _spinning);
        }
    }

    // The system's clock, whatever the peer's TimeProvider: what is bounded here is the use of a processor.
    private bool Spin(SocketPipeReader? reader)
    {
        long begin = TimeProvider.System.GetTimestamp();
        try
        {
            while (!socket.Poll(0, SelectMode.SelectRead))
            {
                if (reader is { IsCancelRequested: true } || TimeProvider.System.GetElapsedTime(begin) >= time)
                    return false;
            }

            return true;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return false; // whoever waits next is told why
        }
    }
}
