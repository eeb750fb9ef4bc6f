using System.CommandLine.Parsing;

namespace PacketMQ.Tool;

/// <summary>Joins System.CommandLine to parsers that explain themselves in a <see cref="FormatException"/>.</summary>
internal static class ArgumentReading
{
    /// <summary>Reads the last token of an argument or option; a <see cref="FormatException"/> becomes its error.</summary>
    public static T? Read<T>(this ArgumentResult result, Func<string, T> parse)
    {
        try
        {
            return parse(result.Tokens[^1].Value);
        }
        catch (FormatException exception)
        {
            result.AddError(exception.Message);
            return default;
        }
    }

    /// <summary>Reads every token of an option that may be given several times.</summary>
    public static T[] ReadAll<T>(this ArgumentResult result, Func<string, T> parse)
    {
        try
        {
            return [.. result.Tokens.Select(token => parse(token.Value))];
        }
        catch (FormatException exception)
        {
            result.AddError(exception.Message);
            return [];
        }
    }
}
