using System.Globalization;
using System.Net.Sockets;

namespace PacketMQ.Soak;

/// <summary>What this process holds at a moment.</summary>
internal readonly record struct Gauge(double ResidentMegabytes, int Descriptors, long Timers)
{
    public static Gauge Read() => new(Resident(), Directory.GetFiles("/proc/self/fd").Length, Timer.ActiveCount);

    /// <summary>After a full collection.</summary>
    public static Gauge ReadSettled()
    {
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return Read();
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
