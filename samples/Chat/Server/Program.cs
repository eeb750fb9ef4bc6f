using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using PacketMQ.Samples.Chat;

int port = ChatPackets.DefaultPort;
if (args.Length > 1 || (args.Length == 1 && !int.TryParse(args[0], NumberStyles.None, CultureInfo.InvariantCulture, out port)))
{
    Console.Error.WriteLine("usage: dotnet run --project samples/Chat/Server [-- PORT]");
    return 2;
}

await using ChatServer server = ChatServer.Create();
IPEndPoint endPoint = server.Listen(port);
Console.WriteLine($"The chat is open on port {endPoint.Port}. Ctrl+C closes it.");

using var stop = new CancellationTokenSource();
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
await server.RunAsync(stop.Token); // softquits everybody
return 0;

void Stop(PosixSignalContext context)
{
    context.Cancel = true;
    stop.Cancel();
}
