using System.Net;
using System.Net.Sockets;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

internal static class SocketPair
{
    public static string NewUnixPath() => Path.Combine(Path.GetTempPath(), "pmq" + Guid.NewGuid().ToString("N")[..10]);

    public static async ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync(EndPoint endPoint)
    {
        await using SocketListener listener = SocketListener.Bind(endPoint, 8);
        ValueTask<TransportConnection> accept = listener.AcceptAsync(TestContext.Current.CancellationToken);
        TransportConnection left
            = await SocketConnector.ConnectAsync(listener.LocalEndPoint, TestContext.Current.CancellationToken).Soon();
        return (left, await accept.Soon());
    }

    public static async ValueTask<(Socket Left, Socket Right)> ConnectSocketsAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var left = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await left.ConnectAsync(listener.LocalEndPoint!);
        return (left, await listener.AcceptAsync());
    }
}
