using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PacketMQ.Transports;

/// <summary>What the system knows about a TCP connection (Linux, <c>struct tcp_info</c> of tcp(7)).</summary>
internal static class TcpInformation
{
    private const int Tcp = 6; // IPPROTO_TCP
    private const int Information = 11; // TCP_INFO
    private const int AcknowledgedBytesAt = 120; // tcpi_bytes_acked, since Linux 4.1

    /// <summary>How many bytes the other side has acknowledged; null if that is not known.</summary>
    public static long? TryGetAcknowledgedBytes(Socket socket)
    {
        if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
            return null;
        Span<byte> information = stackalloc byte[AcknowledgedBytesAt + sizeof(long)];
        try
        {
            return socket.GetRawSocketOption(Tcp, Information, information) == information.Length
                ? MemoryMarshal.Read<long>(information[AcknowledgedBytesAt..])
                : null;
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            return null; // it is ending
        }
    }
}
