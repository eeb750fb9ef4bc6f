using System.Globalization;
using PacketMQ;
using PacketMQ.Samples.Chat;

string host = "localhost";
int port = ChatPackets.DefaultPort;
string[] address = args.Length == 2 ? args[1].Split(':') : [];
if (args.Length is 0 or > 2
    || (args.Length == 2 && (address.Length != 2 || !int.TryParse(address[1], NumberStyles.None, CultureInfo.InvariantCulture, out port))))
{
    Console.Error.WriteLine("usage: dotnet run --project samples/Chat/Client -- NICK [HOST:PORT]");
    return 2;
}

if (address.Length == 2)
    host = address[0];

PacketRegistry registry = ChatPackets.Register(adaptPacketIds: true, new()
{
    [ChatPackets.Message] = new Packet<ChatMessage>((message, _) => Console.WriteLine(Show(message))),
    [ChatPackets.Notice] = new Packet<string>((text, _) => Console.WriteLine($"* {SafeText.Of(text)}")),
    [ChatPackets.Present] = new Packet<string[]>((nicks, _) => Console.WriteLine($"* here: {SafeText.Of(string.Join(", ", nicks))}")),
});

await using var client = new Client(registry);
Connection connection;
try
{
    connection = await client.ConnectAsync(host, port);
}
catch (ConnectionClosedException exception)
{
    Console.Error.WriteLine(exception.CloseInfo.Description);
    return 3;
}

Console.WriteLine("Say something, or /help.");
try
{
    await connection.SendAsync(ChatPackets.Nick, args[0]);
    bool goesOn = true;
    while (goesOn && await ReadLineAsync() is { } line)
    {
        try
        {
            goesOn = await ObeyAsync(line);
        }
        catch (PacketException exception)
        {
            Console.Error.WriteLine(exception.Message); // longer than a packet can be; nothing was sent
        }
    }
}
catch (ConnectionClosedException)
{
    // While something was being sent; what happened is said below.
}

await connection.SoftQuitAsync("reason.goodbye"); // changes nothing if the connection has ended already
CloseInfo end = await connection.Closed;
if (end.Initiator == CloseInitiator.Local)
    return 0;
Console.WriteLine($"* The server has ended the conversation: {end}");
return 3;

// The next line; null at the end of the input, or when the connection has ended while nobody typed.
async Task<string?> ReadLineAsync()
{
    Task<string?> reading = Task.Run(Console.In.ReadLine);
    return await Task.WhenAny(reading, connection.Closed) == reading ? await reading : null;
}

// False: enough.
async ValueTask<bool> ObeyAsync(string line)
{
    string[] words = line.Split(' ', 2, StringSplitOptions.TrimEntries);
    string rest = words.Length == 2 ? words[1] : "";
    switch (words[0])
    {
        case "":
            return true;
        case "/quit":
            return false;
        case "/nick":
            await connection.SendAsync(ChatPackets.Nick, rest);
            return true;
        case "/who":
            await connection.SendAsync(ChatPackets.Who, true);
            return true;
        case "/me":
            await connection.SendAsync(ChatPackets.Act, rest);
            return true;
        case "/msg" when rest.Split(' ', 2, StringSplitOptions.TrimEntries) is [var to, var text]:
            await connection.SendAsync(ChatPackets.Whisper, new WhisperLine { To = to, Text = text });
            return true;
        case ['/', ..]:
            Console.WriteLine("/who, /nick NAME, /me DOES SOMETHING, /msg NAME TEXT, /quit; anything else is said to everybody");
            return true;
        default:
            await connection.SendAsync(ChatPackets.Say, line);
            return true;
    }
}

static string Show(ChatMessage message)
{
    string from = SafeText.Of(message.From);
    string text = SafeText.Of(message.Text);
    return message.Kind switch
    {
        "act" => $"* {from} {text}",
        "whisper" => $"[{from} to you] {text}",
        _ => $"<{from}> {text}",
    };
}
