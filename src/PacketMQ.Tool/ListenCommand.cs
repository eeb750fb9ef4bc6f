using System.CommandLine;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary><c>packetmq listen</c>: prints everything that a server sends.</summary>
internal static class ListenCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        Argument<ServerAddress> address = ServerAddress.CreateArgument();
        var tls = new ClientTls();
        var command = new Command(
            "listen",
            "Connects to a server and prints every packet until it is interrupted (Ctrl+C). Exit code 3 when the connection ends otherwise.")
        {
            address, tls.Switch, tls.Roots, tls.Certificate, tls.Key, tls.Name,
        };
        command.SetAction(async (parsed, _) => await RunAsync(
            parsed.GetRequiredValue(address), tls.Read(parsed, parsed.GetRequiredValue(address)),
            Report.ForVisitor(surroundings, parsed.GetValue(json), announces: true), surroundings));
        return command;
    }

    private static async Task<int> RunAsync(ServerAddress address, TlsOptions? tls, Report report, Surroundings surroundings)
    {
        using var interruption = new Interruption();
        try
        {
            await using Visit visit = await Visit.BeginAsync(
                address, report, (data, context) => report.Received(context.Connection, context.PacketName, data),
                new PeerOptions { Tls = tls, TimeProvider = surroundings.TimeProvider, LoggerFactory = new ErrorLog(surroundings.Error) }, interruption.Token);
            throw new ConnectionClosedException(await visit.Connection.Closed.WaitAsync(interruption.Token));
        }
        catch (OperationCanceledException) when (interruption.Token.IsCancellationRequested)
        {
            return ExitCode.Success; // leaving the block above has said goodbye with reason.shutdown
        }
    }
}
