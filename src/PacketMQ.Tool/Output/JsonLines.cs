using System.Text.Json;
using PacketMQ.Tool.Json;

namespace PacketMQ.Tool.Output;

/// <summary>Prints one JSON object a line.</summary>
internal sealed class JsonLines(TextWriter output)
{
    /// <summary>While it is held, nobody else's lines are printed.</summary>
    public Lock Gate { get; } = new();

    /// <summary>Prints one object.</summary>
    /// <param name="happening">Its <c>event</c>.</param>
    /// <param name="peer">Its <c>peer</c>, if it has one.</param>
    /// <param name="fields">Writes the other fields.</param>
    public void Write(string happening, string? peer, Action<Utf8JsonWriter> fields)
    {
        string line = JsonText.Create(json =>
        {
            json.WriteStartObject();
            json.WriteString("event", happening);
            if (peer is not null)
                json.WriteString("peer", peer);
            fields(json);
            json.WriteEndObject();
        });
        lock (Gate)
        {
            output.WriteLine(line);
            output.Flush();
        }
    }
}
