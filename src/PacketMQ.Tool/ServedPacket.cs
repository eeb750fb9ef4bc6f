using System.Globalization;
using System.Text.RegularExpressions;

namespace PacketMQ.Tool;

/// <summary>What a served packet does with what arrives.</summary>
internal enum ServedPacketKind
{
    /// <summary>Prints it.</summary>
    Print,

    /// <summary>Drops it.</summary>
    Sink,

    /// <summary>Prints it and sends it back, byte for byte, under another name.</summary>
    Echo,

    /// <summary>Does its part of <c>packetmq bench</c>, and prints nothing.</summary>
    Bench,
}

/// <summary>One NAME=ID:KIND of <c>packetmq serve</c>.</summary>
/// <param name="Name">The packet's name.</param>
/// <param name="Id">Its id.</param>
/// <param name="Kind">What it does.</param>
/// <param name="ReplyName">With <see cref="ServedPacketKind.Echo"/>: the name under which the value goes back.</param>
internal sealed partial record ServedPacket(string Name, int Id, ServedPacketKind Kind, string? ReplyName = null)
{
    /// <summary>The pair of the documentation.</summary>
    public static readonly IReadOnlyList<ServedPacket> Documented =
    [
        new("myapplication:mypacket", 17, ServedPacketKind.Echo, "myapplication:myprintpacket"),
        new("myapplication:myprintpacket", 18, ServedPacketKind.Print),
    ];

    /// <summary>Reads NAME=ID:KIND.</summary>
    /// <exception cref="FormatException">It is none; the message is the sentence for the user.</exception>
    public static ServedPacket Parse(string text)
    {
        Match match = Form.Match(text);
        if (!match.Success)
            throw new FormatException($"The packet '{text}' is not NAME=ID:KIND with the kind print, sink or echo:REPLYNAME.");
        string kind = match.Groups["kind"].Value;
        if (!int.TryParse(match.Groups["id"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            || id is < PacketRegistry.MinPacketId or > PacketRegistry.MaxPacketId)
        {
            throw new FormatException($"The id in '{text}' is not {PacketRegistry.MinPacketId} to {PacketRegistry.MaxPacketId}.");
        }

        string name = match.Groups["name"].Value;
        return kind switch
        {
            "print" => new(name, id, ServedPacketKind.Print),
            "sink" => new(name, id, ServedPacketKind.Sink),
            _ => new(name, id, ServedPacketKind.Echo, match.Groups["reply"].Value),
        };
    }

    /// <summary>What it does, for people.</summary>
    public string Purpose => Kind switch
    {
        ServedPacketKind.Print => "print",
        ServedPacketKind.Sink => "sink",
        ServedPacketKind.Bench => "bench",
        _ => $"echo as {ReplyName}",
    };

    // A name may hold '=' and ':' itself, so the first "=digits:kind" decides.
    [GeneratedRegex(@"\A(?<name>.+?)=(?<id>[0-9]+):(?<kind>print|sink|echo:(?<reply>.+))\z", RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Form { get; }
}
