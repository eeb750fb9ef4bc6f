using System.Net;

namespace PacketMQ.Tool.Demo;

/// <summary>Tells the demo's conversation. Each part is called after it has happened, with what happened.</summary>
internal abstract class DemoStory
{
    /// <summary>Both sides have registered their packets.</summary>
    public abstract Task RegisteredAsync(DemoPeer server, DemoPeer client);

    /// <summary>The server listens.</summary>
    public abstract Task ListeningAsync(IPEndPoint endPoint);

    /// <summary>The handshake is through, on both sides.</summary>
    public abstract Task MadeAsync(DemoPeer server, DemoPeer client, Connection serverConnection, Connection clientConnection);

    /// <summary>The client has sent its value.</summary>
    public abstract Task SentAsync(DemoFrame frame);

    /// <summary>The server has printed and echoed it.</summary>
    public abstract Task EchoedAsync(string serverLine);

    /// <summary>The client has printed what came back.</summary>
    public abstract Task PrintedAsync(DemoFrame sent, DemoFrame received, string clientLine);

    /// <summary>The client has said goodbye, and both sides know.</summary>
    public abstract Task LostAsync(Connection serverConnection, Connection clientConnection, CloseInfo server, CloseInfo client);
}
