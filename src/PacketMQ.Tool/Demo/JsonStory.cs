using System.Net;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool.Demo;

/// <summary>The demo for scripts.</summary>
internal sealed class JsonStory(JsonLines lines) : DemoStory
{
    private readonly JsonReport _server = new(lines, "server");
    private readonly JsonReport _client = new(lines, "client");

    /// <inheritdoc/>
    public override Task RegisteredAsync(DemoPeer server, DemoPeer client)
    {
        foreach ((DemoPeer peer, JsonReport report) in new[] { (server, _server), (client, _client) })
        {
            report.Registered(DemoPeer.MyPacket, peer.Registry.GetId(DemoPeer.MyPacket), $"echo as {DemoPeer.MyPrintPacket}");
            report.Registered(DemoPeer.MyPrintPacket, peer.Registry.GetId(DemoPeer.MyPrintPacket), "print");
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task ListeningAsync(IPEndPoint endPoint)
    {
        _server.Listening(endPoint);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task MadeAsync(DemoPeer server, DemoPeer client, Connection serverConnection, Connection clientConnection)
    {
        _server.Made(serverConnection);
        _client.Made(clientConnection);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task SentAsync(DemoFrame frame) => WriteFrame("sent", frame);

    /// <inheritdoc/>
    public override Task EchoedAsync(string serverLine) => WriteLine("server", serverLine);

    /// <inheritdoc/>
    public override Task PrintedAsync(DemoFrame sent, DemoFrame received, string clientLine)
    {
        WriteFrame("received", received);
        return WriteLine("client", clientLine);
    }

    /// <inheritdoc/>
    public override Task LostAsync(Connection serverConnection, Connection clientConnection, CloseInfo server, CloseInfo client)
    {
        _client.Lost(clientConnection, client);
        _server.Lost(serverConnection, server);
        return Task.CompletedTask;
    }

    private Task WriteFrame(string direction, DemoFrame frame)
    {
        lines.Write("frame", "client", json =>
        {
            json.WriteString("direction", direction);
            json.WriteString("name", frame.PacketName);
            json.WriteNumber("id", frame.OwnId);
            json.WriteNumber("wireId", frame.WireId);
            json.WriteString("bytes", Convert.ToHexStringLower(frame.ToBytes()));
        });
        return Task.CompletedTask;
    }

    private Task WriteLine(string peer, string line)
    {
        lines.Write("printed", peer, json => json.WriteString("line", line));
        return Task.CompletedTask;
    }
}
