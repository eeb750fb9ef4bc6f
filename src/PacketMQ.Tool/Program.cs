using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace PacketMQ.Tool;

/// <summary>Where the command begins: the only place that knows the console.</summary>
internal static class Program
{
    [SuppressMessage("ApiDesign", "RS0030:Do not use banned APIs", Justification = "A command talks to its console; everything else is given the streams.")]
    private static async Task<int> Main(string[] arguments)
    {
        if (OperatingSystem.IsWindows())
            Console.OutputEncoding = Encoding.UTF8; // elsewhere it is already
        await using Stream input = Console.OpenStandardInput();
        return await CommandLine.RunAsync(arguments, new Surroundings(input, Console.Out, Console.Error, !Console.IsOutputRedirected)
        {
            GetWidth = () => Console.WindowWidth,
        });
    }
}
