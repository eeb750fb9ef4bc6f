using PacketMQ.Tool.Json;

namespace PacketMQ.Tool.Output;

/// <summary>What <c>send</c> and <c>listen</c> tell people. How a connection ends is told on standard error, once.</summary>
/// <param name="screen">Where.</param>
/// <param name="announces">Whether the connection is announced.</param>
internal sealed class VisitorReport(Screen screen, bool announces) : Report(screen.Gate)
{
    /// <inheritdoc/>
    public override void Made(Connection connection)
    {
        if (announces)
        {
            string names = connection.PeerPacketNames is { IsEmpty: false } some ? Sentence.List(some) : "no packets";
            screen.WriteLine(("connected", Colours.Good), ($" to {connection.RemoteEndPoint}, which has {names}", null));
        }
    }

    /// <inheritdoc/>
    public override void Received(Connection connection, string name, object? value, string? replyName = null)
        => screen.WriteLine((name, Colours.Name), (" " + ValueWriter.Write(value), null));
}
