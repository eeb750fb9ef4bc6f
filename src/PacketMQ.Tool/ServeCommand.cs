using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary><c>packetmq serve</c>: a server with packets from the command line.</summary>
internal static class ServeCommand
{
    private const int DefaultPort = 12_345;

    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var host = new Option<string>("--host")
        {
            Description = "The address to listen on. The default takes connections from this machine only; '::' takes them from everywhere.",
            HelpName = "H",
            DefaultValueFactory = _ => "127.0.0.1",
        };
        var port = new Option<int>("--port")
        {
            Description = "The TCP port; 0 picks a free one.",
            HelpName = "P",
            DefaultValueFactory = _ => DefaultPort,
            CustomParser = result => result.Read(text => ServerAddress.ParsePort(text, 0)),
        };
        var adapt = new Option<bool>("--adapt")
        {
            Description = "Takes over the clients' packet ids instead of keeping its own. Of two sides, exactly one has to adapt.",
        };
        var packets = new Option<ServedPacket[]>("--packet")
        {
            Description = "A packet to serve; may be given several times. KIND is print, sink or echo:REPLYNAME. "
                + "Default: the documented pair, myapplication:mypacket=17:echo:myapplication:myprintpacket and myapplication:myprintpacket=18:print.",
            HelpName = "NAME=ID:KIND",
            Arity = ArgumentArity.OneOrMore,
            CustomParser = result => result.ReadAll(ServedPacket.Parse),
        };
        var command = new Command(
            "serve",
            "Serves packets, and prints them, until it is interrupted (Ctrl+C); then it tells every client goodbye.")
        {
            host, port, adapt, packets,
        };
        command.SetAction(async (parsed, _) =>
        {
            ServedPacket[]? served = parsed.GetValue(packets);
            return await RunAsync(
                parsed.GetRequiredValue(host), parsed.GetValue(port), parsed.GetValue(adapt), served is { Length: > 0 } ? served : ServedPacket.Documented,
                Report.ForServer(surroundings, parsed.GetValue(json)));
        });
        return command;
    }

    private static async Task<int> RunAsync(string host, int port, bool adapt, IReadOnlyList<ServedPacket> packets, Report report)
    {
        using var interruption = new Interruption();
        await using var server = new Server(Register(packets, adapt, report));
        server.ConnectionMade += (_, made) => report.Made(made.Connection);
        server.ConnectionLost += (_, lost) => report.Lost(lost.Connection, lost.CloseInfo);
        server.ConnectionRefused += (_, refused) => report.Refused(refused.Connection, refused.CloseInfo);
        server.HandlerFailed += (_, failed) => report.Failed(failed.Connection, failed.PacketName, failed.Exception);
        await ListenAsync(server, host, port, report, interruption.Token);
        report.Serving(packets);
        await server.RunAsync(interruption.Token);
        return ExitCode.Success;
    }

    private static PacketRegistry Register(IReadOnlyList<ServedPacket> packets, bool adapt, Report report)
    {
        var registry = new PacketRegistry(adapt);
        foreach (ServedPacket packet in packets)
        {
            try
            {
                registry.AddPacket(packet.Name, CreatePacket(packet, report), packet.Id);
            }
            catch (ArgumentException exception)
            {
                throw new CommandException(ExitCode.Usage, Sentence.WithoutParameterName(exception));
            }
        }

        foreach (ServedPacket packet in packets)
        {
            if (packet.ReplyName is { } reply && !registry.TryGetId(reply, out _))
                throw new CommandException(ExitCode.Usage, $"The packet '{packet.Name}' echoes as '{reply}', which is not served.");
        }

        return registry;
    }

    private static RelayPacket CreatePacket(ServedPacket packet, Report report) => new((received, context) =>
    {
        if (packet.Kind != ServedPacketKind.Sink)
            report.Received(context.Connection, context.PacketName, received.Value, packet.ReplyName);
        return packet.ReplyName is { } reply ? context.ReplyAsync(reply, received) : default;
    });

    /// <summary>Listens on every address that the host has, all with the same port.</summary>
    private static async Task ListenAsync(Server server, string host, int port, Report report, CancellationToken cancellationToken)
    {
        try
        {
            IPAddress[] addresses = IPAddress.TryParse(host, out IPAddress? address)
                ? [address]
                : await Dns.GetHostAddressesAsync(host, cancellationToken);
            foreach (IPAddress one in addresses.Distinct())
            {
                lock (report.Gate) // a client may be there at once, but the first line is this one
                {
                    var endPoint = (IPEndPoint)server.Listen(new IPEndPoint(one, port));
                    port = endPoint.Port;
                    report.Listening(endPoint);
                }
            }
        }
        catch (SocketException exception)
        {
            throw new CommandException(ExitCode.Failure, $"It is not possible to listen on {new ServerAddress(host, port)}: {exception.Message}.");
        }
    }
}
