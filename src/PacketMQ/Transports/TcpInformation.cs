using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PacketMQ.Transports;

/// <summary>What the system knows about a TCP connection (Linux, <c>struct tcp_info</c> of tcp(7)).</summary>
internal static class TcpInformation
{
    private const int Tcp = 6; // IPPROTO_TCP
    private const int Information = 11; // TCP_INFO
    private const byte Closed = 7; // TCP_CLOSE
    private const byte HalfClosed = 8; // TCP_CLOSE_WAIT
    private const int AcknowledgedBytesAt = 120; // tcpi_bytes_acked, since Linux 4.1

    /// <summary>
    /// Whether there is no connection any more: it was reset, or both sides have ended it. False if that is not known.
    /// </summary>
    public static bool IsOver(Socket socket) => ReadState(socket) == Closed;

    /// <summary>Whether the other side has ended its direction, and this one not yet; what it sent before may not be read. False if that is not known.</summary>
    public static bool IsEndedThere(Socket socket) => ReadState(socket) == HalfClosed;

    /// <summary>How many bytes the other side has acknowledged; null if that is not known.</summary>
    public static long? TryGetAcknowledgedBytes(Socket socket)
    {
        Span<byte> information = stackalloc byte[AcknowledgedBytesAt + sizeof(long)];
        return TryRead(socket, information) ? MemoryMarshal.Read<long>(information[AcknowledgedBytesAt..]) : null;
    }

    private static byte ReadState(Socket socket)
    {
        Span<byte> state = stackalloc byte[1]; // tcpi_state comes first
        return TryRead(socket, state) ? state[0] : default;
    }

    private static bool TryRead(Socket socket, Span<byte> information)
    {
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
            return false;
        try
        {
            return socket.GetRawSocketOption(Tcp, Information, information) == information.Length;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return false; // it is ending
        }
    }
}
