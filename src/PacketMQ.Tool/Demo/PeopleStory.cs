using System.Globalization;
using System.Net;
using PacketMQ.Tool.Output;
using Spectre.Console;

namespace PacketMQ.Tool.Demo;

/// <summary>The demo for people: numbered steps, who says what, and the bytes of a frame.</summary>
/// <param name="screen">Where. On a terminal there is a moment to read between the steps.</param>
/// <param name="timeProvider">The clock of these moments.</param>
internal sealed class PeopleStory(Screen screen, TimeProvider timeProvider) : DemoStory
{
    private const int NameWidth = 30;
    private const int IdWidth = 14;
    private const int BytesWidth = 28;

    private static readonly TimeSpan Moment = TimeSpan.FromSeconds(0.4);

    private int _step;

    /// <inheritdoc/>
    public override async Task RegisteredAsync(DemoPeer server, DemoPeer client)
    {
        screen.WriteLine(("PacketMQ in seven steps: a server and a client talk over real TCP, inside this one process.", Colours.Title));
        await StepAsync("Both sides register the same packets: a name, what to do with it, and an id of their own choice.");
        Aside("name".PadRight(NameWidth) + "server's id".PadRight(IdWidth) + "client's id".PadRight(IdWidth) + "what it does");
        Row(DemoPeer.MyPacket, server, client, $"EchoPacket, replies as {DemoPeer.MyPrintPacket}");
        Row(DemoPeer.MyPrintPacket, server, client, "PrintPacket");
    }

    /// <inheritdoc/>
    public override async Task ListeningAsync(IPEndPoint endPoint)
    {
        await StepAsync("The server listens; port 0 let the system pick a free one.");
        Say("server", ("listening on ", null), (endPoint.ToString(), Colours.Name));
    }

    /// <inheritdoc/>
    public override async Task MadeAsync(DemoPeer server, DemoPeer client, Connection serverConnection, Connection clientConnection)
    {
        await StepAsync("The client connects. They compare versions and names, and the client takes over the server's ids.");
        Say("server", ("connection made", Colours.Good), ($" with {serverConnection.RemoteEndPoint}", null));
        Say("client", ("connection made", Colours.Good), ($" with {clientConnection.RemoteEndPoint}", null));
        foreach (string name in clientConnection.PeerPacketNames)
        {
            Say("client", (name.PadRight(NameWidth), Colours.Name), (string.Create(
                CultureInfo.InvariantCulture, $"{client.Registry.GetId(name)} here, {clientConnection.GetWireId(name)} on this connection"), null));
        }

        Aside("Neither registry has changed: with another server, the same client may use other ids at the same time.");
    }

    /// <inheritdoc/>
    public override async Task SentAsync(DemoFrame frame)
    {
        await StepAsync($"The client sends a value as {frame.PacketName}. No class and no schema: keys of mixed types, nothing, a list.");
        Say("client", (string.Create(CultureInfo.InvariantCulture, $"one frame, {frame.ToBytes().Length} bytes:"), null));
        foreach ((string bytes, string meaning) in FrameTour.Explain(frame))
            Say("client", ("  " + bytes.PadRight(BytesWidth), Colours.Bytes), (meaning, null));
    }

    /// <inheritdoc/>
    public override async Task EchoedAsync(string serverLine)
    {
        await StepAsync($"The server's EchoPacket prints the value and sends it back as {DemoPeer.MyPrintPacket}.");
        Say("server", (serverLine, null));
    }

    /// <inheritdoc/>
    public override async Task PrintedAsync(DemoFrame sent, DemoFrame received, string clientLine)
    {
        await StepAsync("The client's PrintPacket prints what came back.");
        byte[] bytes = received.ToBytes();
        Say("client", ("  " + FrameTour.Hex(bytes.AsSpan(0, 14)) + " ...", Colours.Bytes), ("  ", null), (string.Create(
            CultureInfo.InvariantCulture,
            $"packet id {received.WireId}, and {(sent.Payload.Span.SequenceEqual(received.Payload.Span) ? "the same" : "other")} {received.Payload.Length} payload bytes"), null));
        Say("client", (clientLine, null));
    }

    /// <inheritdoc/>
    public override async Task LostAsync(Connection serverConnection, Connection clientConnection, CloseInfo server, CloseInfo client)
    {
        await StepAsync("The client quits softly: it tells its reason, and both sides learn how the connection ended.");
        Say("client", ("connection lost", Colours.End), ($": {Sentence.ForReason(client)}", null));
        Say("server", ("connection lost", Colours.End), ($": {Sentence.ForReason(server)}", null));
        screen.WriteLine();
        Aside("Now over to you, in two terminals:");
        screen.WriteLine(("     packetmq serve", null));
        screen.WriteLine(("""     packetmq send localhost:12345 myapplication:mypacket '{"foo":"bar"}' --expect 1""", null));
    }

    private async Task StepAsync(string title)
    {
        if (screen.IsLive)
            await Task.Delay(Moment, timeProvider);
        screen.WriteLine();
        screen.WriteLine((string.Create(CultureInfo.InvariantCulture, $"{++_step}. {title}"), Colours.Title));
    }

    private void Row(string name, DemoPeer server, DemoPeer client, string purpose) => screen.WriteLine(
        ("   ", null), (name.PadRight(NameWidth), Colours.Name), (Id(server, name), Colours.Server), (Id(client, name), Colours.Client), (purpose, null));

    private static string Id(DemoPeer peer, string name)
        => peer.Registry.GetId(name).ToString(CultureInfo.InvariantCulture).PadRight(IdWidth);

    private void Say(string who, params ReadOnlySpan<(string Text, Style? Style)> what)
        => screen.WriteLine([("   ", null), (who, who == "server" ? Colours.Server : Colours.Client), ("  ", null), .. what]);

    private void Aside(string text) => screen.WriteLine(("   " + text, Colours.Aside));
}
