using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Soak.Children;

/// <summary>
/// Takes connections and computes nothing: what a flood costs on this machine whoever it goes to. It answers as many bytes as a server's
/// part of a TLS 1.3 handshake has, and like a server it has room for so many at a time and turns the others away.
/// </summary>
internal static class SinkChild
{
    private static int _open;

    public static async Task RunAsync(int room)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(512);
        _ = Task.Run(() => AcceptAsync(listener, room));
        Child.Answer(((IPEndPoint)listener.LocalEndPoint!).Port.ToString(CultureInfo.InvariantCulture));
        await Child.CommandAsync().ConfigureAwait(false);
    }

    private static async Task AcceptAsync(Socket listener, int room)
    {
        while (true)
        {
            Socket socket = await listener.AcceptAsync().ConfigureAwait(false);
            if (Volatile.Read(ref _open) >= room)
                socket.Dispose();
            else
                _ = AnswerAsync(socket);
        }
    }

    private static async Task AnswerAsync(Socket socket)
    {
        Interlocked.Increment(ref _open);
        byte[] bytes = new byte[1_024];
        try
        {
            if (await socket.ReceiveAsync(bytes).ConfigureAwait(false) > 0)
            {
                await socket.SendAsync(bytes).ConfigureAwait(false);
                await socket.ReceiveAsync(bytes).ConfigureAwait(false);
            }
        }
        catch (SocketException)
        {
            // Its second is over.
        }

        socket.Dispose();
        Interlocked.Decrement(ref _open);
    }
}
