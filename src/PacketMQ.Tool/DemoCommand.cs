using System.CommandLine;
using System.Net;
using PacketMQ.Tool.Demo;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary><c>packetmq demo</c>: the conversation of the documentation, between two peers in this process.</summary>
internal static class DemoCommand
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var command = new Command(
            "demo", "Shows what this is: a server and a client talk over real TCP, step by step.");
        command.SetAction(async (parsed, cancellationToken) =>
        {
            DemoStory story = parsed.GetValue(json)
                ? new JsonStory(new JsonLines(surroundings.Output))
                : new PeopleStory(new Screen(surroundings), surroundings.TimeProvider);
            using var timeout = new CancellationTokenSource(Patience, surroundings.TimeProvider);
            try
            {
                await RunAsync(story, timeout.Token);
                return ExitCode.Success;
            }
            catch (OperationCanceledException) when (timeout.IsCancellationRequested)
            {
                throw new CommandException(ExitCode.TimedOut, $"The demo was not through after {Patience.TotalSeconds} s.");
            }
        });
        return command;
    }

    private static async Task RunAsync(DemoStory story, CancellationToken cancellationToken)
    {
        var serverSide = new DemoPeer("server", adaptPacketIds: false, myPacketId: 17, myPrintPacketId: 18);
        var clientSide = new DemoPeer("client", adaptPacketIds: true, myPacketId: 40, myPrintPacketId: 41);
        await using var server = new Server(serverSide.Registry, serverSide.Options);
        await using var client = new Client(clientSide.Registry, clientSide.Options);
        serverSide.Watch(server);
        clientSide.Watch(client);
        await story.RegisteredAsync(serverSide, clientSide);

        var endPoint = (IPEndPoint)server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        await story.ListeningAsync(endPoint);

        Connection clientConnection = await client.ConnectAsync(endPoint, cancellationToken);
        Connection serverConnection = await serverSide.Made.WaitAsync(cancellationToken);
        await story.MadeAsync(serverSide, clientSide, serverConnection, clientConnection);

        var value = new Dictionary<object, object?>
        {
            ["foo"] = "bar",
            [123] = null,
            [0.001] = true,
            ["mylist"] = new object?[] { "abc", "def" },
        };
        await client.SendAsync(DemoPeer.MyPacket, value, cancellationToken);
        DemoFrame sent = clientSide.SentFrame;
        await story.SentAsync(sent);
        await story.EchoedAsync(await serverSide.Echoed.WaitAsync(cancellationToken));
        string printed = await clientSide.Printed.WaitAsync(cancellationToken);
        await story.PrintedAsync(sent, clientSide.ReceivedFrame, printed);

        await clientConnection.SoftQuitAsync("reason.demoover", cancellationToken);
        await story.LostAsync(
            serverConnection, clientConnection,
            await serverSide.Lost.WaitAsync(cancellationToken), await clientSide.Lost.WaitAsync(cancellationToken));
    }
}
