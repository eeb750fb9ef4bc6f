using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>
/// The address of a Unix domain socket that listens. The runtime has room for a client's own address only up to the length of the listener's,
/// and throws about a longer one: in a thread of its own if an accept waits, which ends the process. So this one has room for any.
/// </summary>
internal sealed class UnixListenEndPoint(UnixDomainSocketEndPoint endPoint) : EndPoint
{
    // More than any system has: Linux returns up to 111 bytes, one more than it takes.
    private const int LongestAddress = 256;

    // Family, and 108 or 104 bytes of path: what the runtime's own type takes.
    private static readonly int LongestKnown = OperatingSystem.IsLinux() ? 110 : 106;

    private bool _isBound;

    public override AddressFamily AddressFamily => AddressFamily.Unix;

    /// <summary>Binds the socket, and sees to it that it can accept whatever client.</summary>
    public static void Bind(Socket socket, UnixDomainSocketEndPoint endPoint)
    {
        if (OperatingSystem.IsWindows())
        {
            socket.Bind(endPoint); // there every address has its full length
            return;
        }

        var roomy = new UnixListenEndPoint(endPoint);
        socket.Bind(roomy);
        roomy._isBound = true;
    }

    /// <summary>The address to bind; afterwards, room for one that the system fills in.</summary>
    public override SocketAddress Serialize() => _isBound ? new SocketAddress(AddressFamily.Unix, LongestAddress) : endPoint.Serialize();

    public override EndPoint Create(SocketAddress socketAddress)
    {
        if (socketAddress.Size <= LongestKnown)
            return endPoint.Create(socketAddress);
        var cut = new SocketAddress(AddressFamily.Unix, LongestKnown);
        socketAddress.Buffer.Span[..LongestKnown].CopyTo(cut.Buffer.Span);
        return endPoint.Create(cut);
    }

    public override string ToString() => endPoint.ToString();
}
