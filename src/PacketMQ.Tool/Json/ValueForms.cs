namespace PacketMQ.Tool.Json;

/// <summary>
/// The names of the objects that stand for what JSON lacks. A key that begins with '$' means one of them and nothing else; as a
/// key of its own it stands in a <see cref="Map"/>.
/// </summary>
internal static class ValueForms
{
    /// <summary><c>{"$bin": base64}</c>: bytes that are no text.</summary>
    public const string Binary = "$bin";

    /// <summary><c>{"$ext": code, "data": base64}</c>: an extension.</summary>
    public const string Extension = "$ext";

    /// <summary>The bytes of an <see cref="Extension"/>.</summary>
    public const string ExtensionData = "data";

    /// <summary><c>{"$time": ISO 8601}</c>: a timestamp.</summary>
    public const string Time = "$time";

    /// <summary><c>{"$float": "NaN" | "Infinity" | "-Infinity"}</c>: the numbers that JSON does not know.</summary>
    public const string Float = "$float";

    /// <summary><c>{"$map": [[key, value], …]}</c>: a map with a key that is no text, or begins with '$'.</summary>
    public const string Map = "$map";

    /// <summary>How deep arrays and maps may nest, as on the wire (<see cref="PeerOptions.MaxDepth"/>).</summary>
    public const int MaxDepth = 64;
}
