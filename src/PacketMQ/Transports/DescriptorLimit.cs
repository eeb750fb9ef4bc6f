using System.Globalization;

namespace PacketMQ.Transports;

/// <summary>How many files and sockets the system lets this process have open.</summary>
internal static class DescriptorLimit
{
    private const int MostConnections = 65_536;

    // What the runtime and a small application have open besides, and what must stay free for new work.
    private const int Reserved = 128;

    // At the limit the runtime aborts the process: it can't begin a thread without a descriptor, nor load an assembly.
    private const int Spare = 16;

    private static readonly long? Limit = Read();

    /// <summary>
    /// How many connections a peer takes by default: 80 % of the limit, and at least 128 less than it, because a process that has run into
    /// it fails in places that nobody thought of.
    /// </summary>
    public static int DefaultMaxConnections { get; } = ForLimit(Limit);

    /// <summary>Whether a descriptor is one of the last: the system always gives out the lowest that is free.</summary>
    public static bool IsAlmostReachedBy(IntPtr descriptor) => IsAlmostReachedBy(descriptor, Limit);

    public static bool IsAlmostReachedBy(IntPtr descriptor, long? limit) => descriptor >= limit - Spare;

    public static int ForLimit(long? limit)
        => limit is { } descriptors
            ? (int)Math.Clamp(Math.Min(descriptors * 8 / 10, descriptors - Reserved), 16, MostConnections)
            : MostConnections;

    /// <summary>The soft limit in a line such as <c>Max open files  1024  524288  files</c>; null: there is none, or it is unlimited.</summary>
    public static long? Parse(string limits)
    {
        const string Name = "Max open files";
        foreach (string line in limits.Split('\n'))
        {
            if (line.StartsWith(Name, StringComparison.Ordinal)
                && line[Name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is [string soft, ..]
                && long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long limit))
                return limit;
        }

        return null;
    }

    private static long? Read()
    {
        try
        {
            return OperatingSystem.IsLinux() ? Parse(File.ReadAllText("/proc/self/limits")) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
