using System.Globalization;

namespace PacketMQ.Tests.Support;

/// <summary>What a long run of a test may ask for by the environment: another seed, or many more rounds.</summary>
internal static class Setting
{
    public static int Read(string name, int usual)
        => int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int value) ? value : usual;
}
