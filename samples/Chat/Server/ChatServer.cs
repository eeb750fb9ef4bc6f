namespace PacketMQ.Samples.Chat;

/// <summary>The packets' handlers, and what happens when somebody leaves. Every limit is enforced here: a client may be anybody's.</summary>
internal sealed class ChatServer : Server
{
    private readonly ChatRoom _room;

    private ChatServer(PacketRegistry registry, ChatRoom room)
        : base(registry)
        => _room = room;

    public static ChatServer Create()
    {
        var room = new ChatRoom();
        return new ChatServer(
            ChatPackets.Register(adaptPacketIds: false, new()
            {
                [ChatPackets.Nick] = new Packet<string>((nick, context) => Of(context).TakeNickAsync(context, nick)),
                [ChatPackets.Say] = new Packet<string>((text, context) => Of(context).TellAllAsync(context, "say", text)),
                [ChatPackets.Act] = new Packet<string>((text, context) => Of(context).TellAllAsync(context, "act", text)),
                [ChatPackets.Whisper] = new Packet<WhisperLine>((line, context) => Of(context).WhisperAsync(context, line)),
                [ChatPackets.Who] = new Packet<bool>((_, context) => context.ReplyAsync(ChatPackets.Present, room.Nicks)),
            }),
            room);
    }

    // A peer is derived from so that the end of a connection can be awaited; an event handler could not be.
    protected override async ValueTask OnConnectionLostAsync(Connection connection, CloseInfo closeInfo)
    {
        if (!_room.Remove(connection.Id, out string? nick))
            return;
        Console.WriteLine($"{nick} left: {closeInfo}");
        await SendToAllAsync(ChatPackets.Notice, $"{nick} left ({closeInfo.Reason}).");
    }

    private static ChatServer Of(PacketContext context) => (ChatServer)context.Peer;

    private async ValueTask TakeNickAsync(PacketContext context, string nick)
    {
        long id = context.Connection.Id;
        if (ChatRoom.Judge(nick) is { } fault)
        {
            await context.ReplyAsync(ChatPackets.Notice, fault);
        }
        else if (!_room.TryName(id, nick, out string? before))
        {
            await context.ReplyAsync(ChatPackets.Notice, $"Somebody is called {nick} already. Choose another name with /nick.");
        }
        else if (before is null)
        {
            Console.WriteLine($"{nick} joined from {context.Connection.RemoteEndPoint}");
            await context.ReplyAsync(ChatPackets.Present, _room.Nicks);
            await SendToAllAsync(ChatPackets.Notice, $"{nick} joined.");
        }
        else if (before != nick)
        {
            await SendToAllAsync(ChatPackets.Notice, $"{before} is now called {nick}.");
        }
    }

    private async ValueTask TellAllAsync(PacketContext context, string kind, string text)
    {
        if (await MaySpeakAsync(context, text) is { } from)
            await SendToAllAsync(ChatPackets.Message, new ChatMessage { From = from, Text = text, Kind = kind });
    }

    private async ValueTask WhisperAsync(PacketContext context, WhisperLine line)
    {
        if (await MaySpeakAsync(context, line.Text) is not { } from)
            return;
        var message = new ChatMessage { From = from, Text = line.Text, Kind = "whisper" };
        if (_room.TryFind(line.To, out long id) && TryGetConnection(id, out Connection? to) && await TrySendAsync(to, ChatPackets.Message, message))
            await context.ReplyAsync(ChatPackets.Notice, "Delivered.");
        else
            await context.ReplyAsync(ChatPackets.Notice, "Nobody here has that name.");
    }

    /// <summary>The speaker's name; null, and the speaker is told why, if the line is not for the others.</summary>
    private async ValueTask<string?> MaySpeakAsync(PacketContext context, string text)
    {
        string? fault = !_room.TryGetNick(context.Connection.Id, out string? nick) ? "Choose a name first, with /nick."
            : text.Length is 0 or > ChatRoom.MaxTextLength ? $"A message has 1 to {ChatRoom.MaxTextLength} characters."
            : null;
        if (fault is null)
            return nick;
        await context.ReplyAsync(ChatPackets.Notice, fault);
        return null;
    }

    /// <summary>Sends to everybody who has a name.</summary>
    private async Task SendToAllAsync(PacketKey packet, object data)
    {
        // All at once, so that nobody waits for another one's line. Who takes nothing at all is closed after PeerOptions.SendTimeout.
        await Task.WhenAll(Connections
            .Where(connection => _room.TryGetNick(connection.Id, out _))
            .Select(connection => TrySendAsync(connection, packet, data).AsTask()));
    }

    private static async ValueTask<bool> TrySendAsync(Connection connection, PacketKey packet, object data)
    {
        try
        {
            await connection.SendAsync(packet, data);
            return true;
        }
        catch (ConnectionClosedException)
        {
            return false; // gone in the meantime: OnConnectionLostAsync tells the others
        }
    }
}
