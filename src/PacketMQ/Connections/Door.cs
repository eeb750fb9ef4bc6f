using System.Buffers;
using System.Net.Sockets;
using PacketMQ.Wire;

namespace PacketMQ.Connections;

/// <summary>
/// Where a server's connections come in. Whoever finds no room is told so in one write, which the empty buffer of a new socket always
/// takes, and is closed before anything is made for him. With TLS nothing can be said before a handshake, so he is only closed.
/// </summary>
internal sealed class Door(Admission admission, bool speaksInPlainText)
{
    private static readonly byte[] Farewell = EncodeFarewell();

    public bool Admits(Socket socket)
    {
        if (!admission.TurnsAway(socket.RemoteEndPoint))
            return true;
        if (speaksInPlainText)
            socket.Send(Farewell, SocketFlags.None, out _); // if it does not get there, the end of the stream does
        return false;
    }

    private static byte[] EncodeFarewell()
    {
        var frame = new ArrayBufferWriter<byte>();
        ControlPackets.WriteSoftQuit(frame, CloseReason.Overloaded);
        return frame.WrittenSpan.ToArray();
    }
}
