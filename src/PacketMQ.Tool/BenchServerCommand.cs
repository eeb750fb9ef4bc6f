using System.CommandLine;
using System.Net;
using System.Runtime.InteropServices;
using PacketMQ.Tool.Bench;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary>The server process of <c>packetmq bench</c>. Not for users: it ends when its standard input does.</summary>
internal static class BenchServerCommand
{
    /// <summary>The command's name.</summary>
    public const string Name = "bench-server";

    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings)
    {
        var command = new Command(Name, "The server process of 'packetmq bench': tells where it listens, and ends when standard input does.") { Hidden = true };
        command.SetAction((_, _) => RunAsync(surroundings));
        return command;
    }

    private static async Task<int> RunAsync(Surroundings surroundings)
    {
        // Ctrl+C goes to both processes. The client is to say when it is over, so that it can still ask for the counts.
        using var interruption = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        var registry = new PacketRegistry();
        new BenchResponder(surroundings.TimeProvider).AddTo(registry);
        await using var server = new Server(registry);
        new JsonReport(new JsonLines(surroundings.Output)).Listening(server.Listen(new IPEndPoint(IPAddress.Loopback, 0)));
        byte[] ignored = new byte[256];
        while (await surroundings.Input.ReadAsync(ignored) > 0)
        {
            // Nobody writes here.
        }

        return ExitCode.Success;
    }
}
