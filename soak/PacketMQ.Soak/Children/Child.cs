using System.Globalization;
using System.Net;

namespace PacketMQ.Soak.Children;

/// <summary>The other side of <see cref="ChildProcess"/>.</summary>
internal static class Child
{
    public static async Task<int> RunAsync(string[] args)
    {
        TaskScheduler.UnobservedTaskException += (_, e) => Console.WriteLine($"UNOBSERVED in a client process: {e.Exception}");
        var server = new IPEndPoint(IPAddress.Loopback, int.Parse(args[1], CultureInfo.InvariantCulture));
        int[] numbers = [.. args[2..].Select(arg => int.Parse(arg, CultureInfo.InvariantCulture))];
        await (args[0] switch
        {
            "open" => OpenChild.RunAsync(server, numbers[0]),
            "mixed" => MixedChild.RunAsync(server, numbers[0], numbers[1]),
            "attack" => AttackChild.RunAsync(server),
            "flood" => FloodChild.RunAsync(server),
            "server" => ServerChild.RunAsync(server.Port, numbers is [int most] ? most : null),
            "tls-flood" => TlsFloodChild.RunAsync(server),
            "sink" => SinkChild.RunAsync(numbers[0]),
            "probe" => ProbeChild.RunAsync(server, numbers is [int count] ? count : 10),
            "halfopen" => HalfOpenChild.RunAsync(),
            "link" => LinkChild.RunAsync(),
            _ => throw new ArgumentException($"There is no child '{args[0]}'."),
        }).ConfigureAwait(false);
        return 0;
    }

    public static void Answer(string text) => Console.WriteLine("= " + text);

    /// <summary>The next command; null when the parent has gone.</summary>
    public static Task<string?> CommandAsync() => Task.Run(Console.In.ReadLine);

    public static Client NewClient(Action<object?, PacketContext>? onEcho = null, PeerOptions? options = null)
    {
        var registry = new PacketRegistry(adaptPacketIds: true);
        registry.AddPacket(Traffic.EchoName, Packet.Create(onEcho ?? ((_, _) => { })), Traffic.EchoId);
        registry.AddPacket(Traffic.FeedName, Packet.Create((_, _) => { }), Traffic.FeedId);
        registry.AddPacket(Traffic.SinkName, Packet.Create((_, _) => { }), Traffic.SinkId);
        registry.AddPacket(Traffic.HoldName, Packet.Create((_, _) => { }), Traffic.HoldId);
        return new Client(registry, (options ?? new PeerOptions()) with { Tls = SoakCertificate.ForChild() });
    }
}
