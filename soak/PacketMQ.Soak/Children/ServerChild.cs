using System.Globalization;

namespace PacketMQ.Soak.Children;

/// <summary>The server of a run whose server is killed, frozen, starved or short of memory.</summary>
internal static class ServerChild
{
    public static async Task RunAsync(int port, int? maxConnections)
    {
        PeerOptions options = maxConnections is { } most ? new PeerOptions { MaxConnections = most } : new PeerOptions();
        await using var server = new SoakServer(options, port);
        Child.Answer($"{server.EndPoint.Port}");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            if (command.StartsWith("starve ", StringComparison.Ordinal))
            {
                double starved = await Starvation.ForAsync(TimeSpan.FromSeconds(int.Parse(command[7..], CultureInfo.InvariantCulture))).ConfigureAwait(false);
                Child.Answer(string.Create(CultureInfo.InvariantCulture, $"{starved:0.000}"));
                continue;
            }

            Child.Answer(string.Create(
                CultureInfo.InvariantCulture,
                $"{server.Peer.Connections.Length} connections, {server.Made} made, {server.Refused} refused, {server.Peer.TurnedAwayConnections} turned away, {server.Packets} packets, RSS {Gauge.Read().ResidentMegabytes:0.0} MB, heap {GC.GetTotalMemory(false) / 1_048_576.0:0.0} MB; {server.Reasons}"));
        }
    }
}
