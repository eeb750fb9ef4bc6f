using System.Diagnostics;
using System.Reflection;

namespace PacketMQ.Tool.Bench;

/// <summary>What is measured: figures mean little without it.</summary>
internal static class BenchEnvironment
{
    private static readonly Assembly Library = typeof(Connection).Assembly;

    /// <summary>The library's version.</summary>
    public static string Version => Library.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Whether the library is a release build.</summary>
    public static bool IsOptimized => Library.GetCustomAttribute<DebuggableAttribute>() is not { IsJITOptimizerDisabled: true };
}
