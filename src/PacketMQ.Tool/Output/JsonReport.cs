using System.Net;
using System.Text.Json;
using PacketMQ.Tool.Json;

namespace PacketMQ.Tool.Output;

/// <summary>What the commands tell scripts: one object a line. docs/command.md lists the fields.</summary>
/// <param name="lines">Where.</param>
/// <param name="peer">Which of several peers this report is about; absent if there is one.</param>
internal sealed class JsonReport(JsonLines lines, string? peer = null) : Report(lines.Gate)
{
    /// <inheritdoc/>
    public override void Listening(EndPoint endPoint) => lines.Write("listening", peer, json =>
    {
        if (endPoint is IPEndPoint ip)
        {
            json.WriteString("host", ip.Address.ToString());
            json.WriteNumber("port", ip.Port);
        }
        else
        {
            json.WriteString("path", endPoint.ToString());
        }
    });

    /// <inheritdoc/>
    public override void Serving(IReadOnlyList<ServedPacket> packets)
    {
        foreach (ServedPacket packet in packets)
            Registered(packet.Name, packet.Id, packet.Purpose);
    }

    /// <summary>A packet was registered.</summary>
    public void Registered(string name, int id, string purpose) => lines.Write("registered", peer, json =>
    {
        json.WriteString("name", name);
        json.WriteNumber("id", id);
        json.WriteString("purpose", purpose);
    });

    /// <inheritdoc/>
    public override void Made(Connection connection) => Write("made", connection, json =>
    {
        json.WriteStartArray("names");
        foreach (string name in connection.PeerPacketNames)
            json.WriteStringValue(name);
        json.WriteEndArray();
    });

    /// <inheritdoc/>
    public override void Lost(Connection connection, CloseInfo closeInfo) => Write("lost", connection, json => WriteEnd(json, closeInfo));

    /// <inheritdoc/>
    public override void Refused(Connection? connection, CloseInfo closeInfo) => Write("refused", connection, json => WriteEnd(json, closeInfo));

    /// <inheritdoc/>
    public override void Sent(Connection connection, string name, object? value) => WriteValue("sent", connection, name, value);

    /// <inheritdoc/>
    public override void Received(Connection connection, string name, object? value, string? replyName = null)
        => WriteValue("packet", connection, name, value, replyName);

    /// <inheritdoc/>
    public override void Failed(Connection connection, string name, Exception exception) => Write("failed", connection, json =>
    {
        json.WriteString("name", name);
        json.WriteString("description", Sentence.OnOneLine(exception.Message));
    });

    private static void WriteEnd(Utf8JsonWriter json, CloseInfo closeInfo)
    {
        json.WriteString("reason", closeInfo.Reason.Name);
        json.WriteString("initiator", Sentence.ForInitiator(closeInfo.Initiator));
        json.WriteString("description", closeInfo.Description);
        if (closeInfo.MissingHere.IsEmpty && closeInfo.MissingThere.IsEmpty)
            return;
        json.WriteStartArray("missingHere");
        foreach (string name in closeInfo.MissingHere)
            json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteStartArray("missingThere");
        foreach (string name in closeInfo.MissingThere)
            json.WriteStringValue(name);
        json.WriteEndArray();
    }

    private void WriteValue(string happening, Connection connection, string name, object? value, string? replyName = null)
        => Write(happening, connection, json =>
        {
            json.WriteString("name", name);
            json.WritePropertyName("value");
            ValueWriter.Write(json, value);
            if (replyName is not null)
                json.WriteString("reply", replyName);
        });

    private void Write(string happening, Connection? connection, Action<Utf8JsonWriter> fields) => lines.Write(happening, peer, json =>
    {
        if (connection is not null)
        {
            json.WriteNumber("connection", connection.Id);
            json.WriteString("endpoint", connection.RemoteEndPoint?.ToString());
        }

        fields(json);
    });
}
