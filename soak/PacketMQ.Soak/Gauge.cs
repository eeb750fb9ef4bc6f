using System.Globalization;
using System.Net.Sockets;

namespace PacketMQ.Soak;

/// <summary>What this process holds at a moment.</summary>
internal readonly record struct Gauge(double ResidentMegabytes, int Descriptors, long Timers)
{
    public static Gauge Read() => new(Resident(), OpenFiles().Count(), Timer.ActiveCount);

    /// <summary>After a full collection, without what allocators keep for later.</summary>
    public static Gauge ReadSettled()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        NativeMemory.Trim();
        return Read();
    }

    /// <summary>How many descriptors there are of which sort, for a person who looks for one too many.</summary>
    public static string DescribeDescriptors() => string.Join(", ", OpenFiles()
        .GroupBy(name => name.Split(':', '[')[0]).OrderByDescending(group => group.Count()).Select(group => $"{group.Key} {group.Count()}"));

    // The runtime keeps the file of each assembly open, twice, and loads some only late: those are no connection's. The one that reads
    // the folder is gone when it is looked at.
    private static IEnumerable<string> OpenFiles() => Directory.GetFiles("/proc/self/fd").Select(Name).Where(name => !name.EndsWith(".dll", StringComparison.Ordinal) && name != "gone");

    private static string Name(string file)
    {
        try
        {
            return File.ResolveLinkTarget(file, returnFinalTarget: false)?.Name ?? "gone";
        }
        catch (IOException)
        {
            return "gone";
        }
    }

    private static double Resident()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024.0;
    }
}

/// <summary>A socket that ends with a reset and leaves no port waiting.</summary>
internal static class ResetSockets
{
    public static Socket New() => new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true,
        LingerState = new LingerOption(true, 0),
    };
}
