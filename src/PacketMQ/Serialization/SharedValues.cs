namespace PacketMQ.Serialization;

/// <summary>The objects that stand for small values wherever they arrive: of one byte of payload, or two, each would be an object of 24 bytes.</summary>
internal static class SharedValues
{
    private const int MinInteger = -128;
    private const int MaxInteger = 255;

    private static readonly object True = true;
    private static readonly object False = false;

    private static readonly object[] Integers =
        [.. Enumerable.Range(MinInteger, MaxInteger - MinInteger + 1).Select(number => (object)(long)number)];

    private static readonly string[] Characters = [.. Enumerable.Range(0, 128).Select(code => ((char)code).ToString())];

    public static object Of(bool value) => value ? True : False;

    /// <summary>The object of an integer from -128 to 255; null: it has none.</summary>
    public static object? Find(long number) => number is >= MinInteger and <= MaxInteger ? Integers[number - MinInteger] : null;

    /// <summary>The string of no byte, or of one.</summary>
    public static string OfText(ReadOnlySpan<byte> utf8) => utf8 switch
    {
        [] => "",
        [< 128] => Characters[utf8[0]],
        _ => "\ufffd", // the wire has refused it as no UTF-8
    };
}
