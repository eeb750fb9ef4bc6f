using System.Collections.Immutable;
using System.Globalization;
using System.Reflection;
using System.Text.Json;

namespace PacketMQ.Tests.Conformance;

/// <summary>The two ends of a recorded conversation.</summary>
public enum Side
{
    Client,
    Server,
}

/// <summary>What one side did: it wrote bytes, ended its stream or reset the connection.</summary>
internal enum StepKind
{
    Bytes,
    End,
    Reset,
}

/// <summary>One step of a recorded conversation, in the order in which the recorder saw it.</summary>
internal sealed record Step(Side Sender, StepKind Kind, byte[] Bytes);

/// <summary>
/// One recorded connection. The vectors hold every frame as it was recorded, without the decoded payloads. The recorder left bodies
/// above 2 000 bytes out; those stand there as a recipe that gives the recorded length (<c>78*65536</c>, <c>range(30000)</c>).
/// </summary>
internal sealed record Conversation(string Transcript, int Index, string Note, ImmutableArray<Step> Steps)
{
    private const string Folder = "PacketMQ.Tests.Vectors.Transcripts.";

    /// <summary>All of them, by name: the transcript and the number in it.</summary>
    public static ImmutableSortedDictionary<string, Conversation> All { get; } = LoadAll();

    public string Name => $"{Transcript} {Index}";

    public IEnumerable<byte[]> WrittenBy(Side side)
        => Steps.Where(step => step.Sender == side && step.Kind == StepKind.Bytes).Select(step => step.Bytes);

    public override string ToString() => $"{Name} ({Note})";

    private static ImmutableSortedDictionary<string, Conversation> LoadAll()
    {
        var all = ImmutableSortedDictionary.CreateBuilder<string, Conversation>(StringComparer.Ordinal);
        Assembly assembly = typeof(Conversation).Assembly;
        foreach (string resource in assembly.GetManifestResourceNames().Where(name => name.StartsWith(Folder, StringComparison.Ordinal)))
        {
            using Stream stream = assembly.GetManifestResourceStream(resource)!;
            using JsonDocument document = JsonDocument.Parse(stream);
            string transcript = Path.GetFileNameWithoutExtension(resource[Folder.Length..]);
            int index = 0;
            foreach (JsonElement recorded in document.RootElement.EnumerateArray())
            {
                ImmutableArray<Step> steps = [.. recorded.GetProperty("events").EnumerateArray().Select(e => ParseStep(e.GetString()!))];
                var conversation = new Conversation(transcript, index++, recorded.GetProperty("note").GetString()!, steps);
                all.Add(conversation.Name, conversation);
            }
        }

        return all.ToImmutable();
    }

    private static Step ParseStep(string text)
    {
        Side sender = text[0] == '>' ? Side.Client : Side.Server;
        return text[2..] switch
        {
            "fin" => new(sender, StepKind.End, []),
            "rst" => new(sender, StepKind.Reset, []),
            string bytes => new(sender, StepKind.Bytes, ParseBytes(bytes)),
        };
    }

    private static byte[] ParseBytes(string text)
    {
        var bytes = new List<byte>();
        foreach (string token in text.Split(' '))
        {
            if (token.StartsWith("range(", StringComparison.Ordinal))
                bytes.AddRange(WireBytes.ArrayOfNumbers(int.Parse(token.AsSpan(6, token.Length - 7), CultureInfo.InvariantCulture)));
            else if (token.Split('*') is [string one, string count])
                bytes.AddRange(Enumerable.Repeat(Convert.FromHexString(one)[0], int.Parse(count, CultureInfo.InvariantCulture)));
            else
                bytes.AddRange(Convert.FromHexString(token));
        }

        return [.. bytes];
    }
}
