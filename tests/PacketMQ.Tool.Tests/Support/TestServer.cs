using System.Net;

namespace PacketMQ.Tool.Tests.Support;

/// <summary>A server inside the test, on a free port of this machine.</summary>
internal static class TestServer
{
    public const string Ask = "test:ask";
    public const string Answer = "test:answer";

    /// <summary>Starts a server with <see cref="Ask"/>, handled as given, and <see cref="Answer"/>.</summary>
    public static (Server Server, string Address) Start(Func<object?, PacketContext, ValueTask> handle, bool adapt = false, PeerOptions? options = null)
    {
        var registry = new PacketRegistry(adapt);
        registry.AddPacket(Ask, Packet.Create(handle), 100);
        registry.AddPacket(Answer, Packet.Create((_, _) => { }), 101);
        var server = new Server(registry, options);
        return (server, server.Listen(new IPEndPoint(IPAddress.Loopback, 0)).ToString()!);
    }

    /// <summary>Starts a server that answers each question with this.</summary>
    public static (Server Server, string Address) Answering(object? answer)
        => Start((_, context) => context.ReplyAsync(Answer, answer));
}
