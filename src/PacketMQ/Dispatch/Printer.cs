using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Dispatch;

/// <summary>Where the printing packets print.</summary>
internal static class Printer
{
    /// <summary>The given writer, or standard output, so that lines from several connections do not mix.</summary>
    [SuppressMessage("ApiDesign", "RS0030:Do not use banned APIs", Justification = "Printing to standard output is what EchoPacket and PrintPacket are documented to do.")]
    public static TextWriter Synchronized(TextWriter? output) => TextWriter.Synchronized(output ?? Console.Out);
}
