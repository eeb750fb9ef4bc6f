using System.Collections.Immutable;
using System.Text.Json;
using PolyType;

namespace PacketMQ.Tests.Conformance;

/// <summary>How far the connection is when the bad bytes come.</summary>
internal enum Stage
{
    Connected,
    AfterInit,
    Active,
}

/// <summary>What the attacker does right behind its bytes.</summary>
internal enum Afterwards
{
    Waits,
    EndsItsStream,
}

/// <summary>A case of the catalogue of bad input, as it was written down before there was code.</summary>
internal sealed record BadInputCase(string Id, string Bytes, string What, string Expected, string Memory)
{
    /// <summary>The groups that concern what exists: framing, msgpack, handshake, states, id maps, payload types, softquit, TLS.</summary>
    public static ImmutableSortedDictionary<string, BadInputCase> All { get; } = Load();

    private static ImmutableSortedDictionary<string, BadInputCase> Load()
    {
        using Stream stream = typeof(BadInputCase).Assembly.GetManifestResourceStream("PacketMQ.Tests.Vectors.bad-input.json")!;
        using JsonDocument document = JsonDocument.Parse(stream);
        return document.RootElement.EnumerateArray()
            .Select(e => new BadInputCase(Text(e, "id"), Text(e, "bytes"), Text(e, "what"), Text(e, "expected"), Text(e, "memory")))
            .ToImmutableSortedDictionary(row => row.Id, row => row, StringComparer.Ordinal);

        static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
    }
}

/// <summary>Bad input as bytes, and what becomes of the connection that receives them.</summary>
internal sealed record BadInput(string Name, Stage Stage, byte[] Bytes)
{
    /// <summary>The case in the catalogue; a name may go on behind it.</summary>
    public string Id => Name.Split(' ')[0];

    /// <summary>Why the connection ends; <see langword="null"/>: the input is accepted and the connection goes on.</summary>
    public CloseReason? Reason { get; init; }

    /// <summary>Local: our side refuses, and says why with a softquit.</summary>
    public CloseInitiator Initiator { get; init; } = CloseInitiator.Local;

    /// <summary>Our side ends the connection without a softquit: whoever is there could not read it.</summary>
    public bool IsDropped { get; init; }

    public Afterwards Afterwards { get; init; }

    /// <summary>How many packets of the input reach the handler.</summary>
    public int Handled { get; init; }

    /// <summary>Whether the peer under test adapts its ids. As usual: clients do, servers do not.</summary>
    public bool? Adapts { get; init; }

    /// <summary>The packet that the input is for.</summary>
    public Func<TargetLog, Packet> Target { get; init; } = TargetLog.Dynamic;

    public Func<PeerOptions, PeerOptions> Options { get; init; } = options => options;

    /// <summary>What the description of the end must contain.</summary>
    public string Hint { get; init; } = "";

    /// <summary>Whether the handler got the right thing.</summary>
    public Predicate<object?> Fits { get; init; } = _ => true;

    /// <summary>So much that our side may have cut it off: nobody reads all that comes behind a refusal.</summary>
    public bool IsFlood { get; init; }

    /// <summary>What is no bad input at all, and ends the connection.</summary>
    public static BadInput Lawful(Stage stage) => new("lawful", stage, WireBytes.SoftQuit("reason.bye"))
    {
        Reason = "reason.bye",
        Initiator = CloseInitiator.Remote,
    };

    public override string ToString() => Name;
}

/// <summary>Makes the packets under which bad input arrives, counts what reaches their handlers, and answers each.</summary>
internal sealed class TargetLog
{
    public const int TargetId = 17;
    public const int ReplyId = 18;
    public const int EchoId = 19;
    public const int EchoReplyId = 20;

    public static readonly (string Name, int Id)[] Packets =
        [("app:target", TargetId), ("app:reply", ReplyId), ("app:echo", EchoId), ("app:echoreply", EchoReplyId)];

    private int _handled;

    public int Handled => Volatile.Read(ref _handled);

    public object? Last { get; private set; }

    public static Packet Dynamic(TargetLog log) => Packet.Create((data, context) => log.HandleAsync(data, context));

    public static Packet Typed<T>(TargetLog log) => new Packet<T>((data, context) => log.HandleAsync(data, context));

    /// <summary>A registry with the target, its reply, and an echo for bystanders.</summary>
    public PacketRegistry NewRegistry(bool adapts, Func<TargetLog, Packet> target)
    {
        var registry = new PacketRegistry(adapts);
        registry.AddPacket("app:target", target(this), TargetId);
        registry.AddPacket("app:reply", Packet.Create((_, _) => { }), ReplyId);
        registry.AddPacket("app:echo", new EchoPacket("app:echoreply", TextWriter.Null), EchoId);
        registry.AddPacket("app:echoreply", Packet.Create((_, _) => { }), EchoReplyId);
        return registry;
    }

    private ValueTask HandleAsync(object? data, PacketContext context)
    {
        Last = data;
        Interlocked.Increment(ref _handled);
        return context.ReplyAsync("app:reply", null);
    }
}

/// <summary>A type with one field, for input that is meant for a map of fields.</summary>
[GenerateShape]
public sealed partial record OneField
{
    [PropertyShape(Name = "a")]
    public int Field { get; set; }
}

/// <summary>A type with a time in it.</summary>
[GenerateShape]
public sealed partial record OneTime
{
    [PropertyShape(Name = "a")]
    public DateTime Time { get; set; }
}
