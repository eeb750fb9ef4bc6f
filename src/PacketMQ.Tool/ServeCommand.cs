using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using PacketMQ.Tool.Bench;
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
        var socket = new Option<ServerAddress>("--unix")
        {
            Description = "The path of a Unix domain socket to listen on, in place of a TCP port.",
            HelpName = "PATH",
            CustomParser = result => result.Read(ServerAddress.ForSocket),
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
        var bench = new Option<bool>("--bench")
        {
            Description = "Serves the packets of 'packetmq bench' too. Whoever can connect may then use up this machine's time.",
        };
        var tls = new ServerTls();
        var command = new Command(
            "serve",
            "Serves packets, and prints them, until it is interrupted (Ctrl+C); then it tells every client goodbye.")
        {
            host, port, socket, adapt, packets, bench, tls.Certificate, tls.Key, tls.ClientRoots,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(socket) is not null && (result.GetResult(host) is { Implicit: false } || result.GetResult(port) is { Implicit: false }))
                result.AddError("With --unix there is no --host and no --port.");
        });
        var limits = new LimitOptions(command);
        command.SetAction(async (parsed, _) =>
        {
            IReadOnlyList<ServedPacket> served = parsed.GetValue(packets) is { Length: > 0 } given ? given : ServedPacket.Documented;
            BenchResponder? responder = parsed.GetValue(bench) ? new BenchResponder(surroundings.TimeProvider) : null;
            var log = new ErrorLog(surroundings.Error);
            return await RunAsync(
                parsed.GetValue(socket) ?? new ServerAddress(parsed.GetRequiredValue(host), parsed.GetValue(port)), parsed.GetValue(adapt), served, responder,
                limits.Read(parsed) with { LoggerFactory = log, Tls = tls.Read(parsed) }, log, Report.ForServer(surroundings, parsed.GetValue(json)));
        });
        return command;
    }

    private static async Task<int> RunAsync(
        ServerAddress address, bool adapt, IReadOnlyList<ServedPacket> packets, BenchResponder? responder, PeerOptions options, ErrorLog log, Report report)
    {
        using var interruption = new Interruption();
        await using Server server = CreateServer(Register(packets, adapt, responder, report), options);
        server.ConnectionMade += (_, made) => report.Made(made.Connection);
        server.ConnectionLost += (_, lost) => report.Lost(lost.Connection, lost.CloseInfo);
        server.ConnectionRefused += (_, refused) =>
        {
            if (refused.Connection is not { } connection || log.TakeRefusal(connection.Id))
                report.Refused(refused.Connection, refused.CloseInfo);
        };
        server.HandlerFailed += (_, failed) => report.Failed(failed.Connection, failed.PacketName, failed.Exception);
        await ListenAsync(server, address, report, interruption.Token);
        report.Serving(responder is null ? packets : [.. packets, .. BenchPackets.Served]);
        await server.RunAsync(interruption.Token);
        return ExitCode.Success;
    }

    private static Server CreateServer(PacketRegistry registry, PeerOptions options)
    {
        try
        {
            return new Server(registry, options);
        }
        catch (ArgumentException exception)
        {
            throw new CommandException(ExitCode.Usage, Sentence.WithoutParameterName(exception));
        }
    }

    private static PacketRegistry Register(IReadOnlyList<ServedPacket> packets, bool adapt, BenchResponder? responder, Report report)
    {
        var registry = new PacketRegistry(adapt);
        try
        {
            foreach (ServedPacket packet in packets)
                registry.AddPacket(packet.Name, CreatePacket(packet, report), packet.Id);
            responder?.AddTo(registry);
        }
        catch (ArgumentException exception)
        {
            throw new CommandException(ExitCode.Usage, Sentence.WithoutParameterName(exception));
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

    /// <summary>Listens on the Unix domain socket, or on every IP address that the host has, all with the same port.</summary>
    private static async Task ListenAsync(Server server, ServerAddress address, Report report, CancellationToken cancellationToken)
    {
        try
        {
            if (address.SocketPath is not null)
            {
                Listen(address.ToEndPoint());
                return;
            }

            IPAddress[] all = IPAddress.TryParse(address.Host, out IPAddress? given)
                ? [given]
                : await Dns.GetHostAddressesAsync(address.Host, cancellationToken);
            int port = address.Port;
            foreach (IPAddress one in all.Distinct())
                port = ((IPEndPoint)Listen(new IPEndPoint(one, port))).Port;
        }
        catch (SocketException exception)
        {
            throw new CommandException(ExitCode.Failure, $"It is not possible to listen on {address}: {exception.Message}.");
        }

        EndPoint Listen(EndPoint endPoint)
        {
            lock (report.Gate) // a client may be there at once, but the first line is this one
            {
                EndPoint taken = server.Listen(endPoint);
                report.Listening(taken);
                return taken;
            }
        }
    }
}
