using System.Globalization;
using System.Net;
using PacketMQ.Tool.Json;

namespace PacketMQ.Tool.Output;

/// <summary>What <c>serve</c> tells people.</summary>
internal sealed class ServerReport(Screen screen) : Report(screen.Gate)
{
    /// <inheritdoc/>
    public override void Listening(EndPoint endPoint) => screen.WriteLine(("listening on ", null), (endPoint.ToString()!, Colours.Name));

    /// <inheritdoc/>
    public override void Serving(IReadOnlyList<ServedPacket> packets)
    {
        foreach (ServedPacket packet in packets)
        {
            screen.WriteLine(
                ("serving ", null), (packet.Name, Colours.Name),
                (string.Create(CultureInfo.InvariantCulture, $" with the id {packet.Id}: {packet.Purpose}"), null));
        }
    }

    /// <inheritdoc/>
    public override void Made(Connection connection)
    {
        // The client's end of a Unix domain socket has no name.
        string from = connection.RemoteEndPoint?.ToString() is { Length: > 0 } name ? $" with {Sentence.OnOneLine(name)}" : "";
        screen.WriteLine(Label(connection), ("made", Colours.Good), (from, null));
    }

    /// <inheritdoc/>
    public override void Lost(Connection connection, CloseInfo closeInfo)
        => screen.WriteLine(Label(connection), ("lost", Colours.End), ($": {Sentence.ForReason(closeInfo)}", null));

    /// <inheritdoc/>
    public override void Refused(Connection? connection, CloseInfo closeInfo)
        => screen.WriteLine(Label(connection), ("refused", Colours.Bad), ($": {Sentence.ForReason(closeInfo)}", null));

    /// <inheritdoc/>
    public override void Received(Connection connection, string name, object? value, string? replyName = null)
    {
        (string, Spectre.Console.Style?)[] line = [Label(connection), (name, Colours.Name), (" " + ValueWriter.Write(value), null)];
        screen.WriteLine(replyName is null ? line : [.. line, (" -> ", Colours.Aside), (replyName, Colours.Name)]);
    }

    /// <inheritdoc/>
    public override void Failed(Connection connection, string name, Exception exception)
        => screen.WriteLine(Label(connection), (name, Colours.Name), (" failed", Colours.Bad), ($": {Sentence.OnOneLine(exception.Message)}", null));

    private static (string, Spectre.Console.Style?) Label(Connection? connection)
        => (string.Create(CultureInfo.InvariantCulture, $"connection {connection?.Id} "), Colours.Aside);
}
