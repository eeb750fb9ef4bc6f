using System.Runtime.InteropServices;

namespace PacketMQ.Soak;

/// <summary>What the C library keeps of memory that was freed: a good part of RSS, and no leak. Of glibc only; elsewhere nothing is known.</summary>
internal static partial class NativeMemory
{
    /// <summary>How much is in use, and how much was taken from the system for it, in MB; null if it is not known.</summary>
    public static (double InUse, double Taken)? Read()
    {
        try
        {
            MallocInfo info = GetInfo();
            return ((info.BytesInUse + info.MappedBytes) / 1_048_576.0, (info.ArenaBytes + info.MappedBytes) / 1_048_576.0);
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Gives back to the system what is free.</summary>
    public static void Trim()
    {
        try
        {
            _ = Trim(keptBytes: 0);
        }
        catch (Exception exception) when (exception is EntryPointNotFoundException or DllNotFoundException)
        {
            // Then it is kept.
        }
    }

    [LibraryImport("libc", EntryPoint = "mallinfo2")]
    private static partial MallocInfo GetInfo();

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint keptBytes);

    // struct mallinfo2 of glibc 2.33.
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct MallocInfo
    {
        public readonly nuint ArenaBytes;
        public readonly nuint FreeChunks;
        public readonly nuint FastChunks;
        public readonly nuint Mappings;
        public readonly nuint MappedBytes;
        public readonly nuint Unused;
        public readonly nuint FastBytes;
        public readonly nuint BytesInUse;
        public readonly nuint FreeBytes;
        public readonly nuint TopBytes;
    }
}
