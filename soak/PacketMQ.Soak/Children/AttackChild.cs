using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Soak.Children;

/// <summary>A stranger who sends bad first bytes, as many as the server takes, and comes again when it is closed.</summary>
internal static class AttackChild
{
    private const long BytesOfEach = 100_000_000;
    private const int Piece = 64 * 1024;

    /// <summary>The last type breaks no rule: it comes in, and uses what it is allowed.</summary>
    public const int LawfulType = 13;

    private static readonly (string Name, byte[] First, Func<byte[]> MakeRest)[] Types =
    [
        ("zeros", [], () => new byte[Piece]),
        ("0xff", [], () => Filled(0xff)),
        ("random bytes", [], Noise),
        ("HTTP", "GET / HTTP/1.1\r\n"u8.ToArray(), () => Filled((byte)'a')),
        ("TLS", [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], Noise),
        ("a frame of 2 GiB", [0x7f, 0xff, 0xff, 0xff, 0, 0], () => new byte[Piece]),
        ("a frame of 1 MiB", [0, 0x10, 0, 0, 0, 0], () => new byte[Piece]),
        ("empty frames", [], () => new byte[Piece / 4 * 4]),
        ("packets before the handshake", [], () => Repeated(Traffic.Frame(17, 0xc4, 2, 1, 1))),
        ("INIT again and again", [], () => Repeated(Traffic.Init)),
        ("softquits", [], () => Repeated(Traffic.Frame(1, 0x80))),
        ("deep nesting", Traffic.Init, () => Traffic.Frame(2, [.. Enumerable.Repeat((byte)0x91, Piece)])),
        ("an id map of 4 billion", Traffic.Init, () => Traffic.Frame(2, [0x82, .. Traffic.Text("idmap"), 0xdf, 0xff, 0xff, 0xff, 0xff, .. new byte[Piece]])),
        ("lawful packets of 1 MiB", Traffic.Handshake, () => Traffic.Frame(Traffic.SinkId, [0xc6, 0, 0x0f, 0xff, 0xf0, .. new byte[0xffff0]])),
    ];

    public static async Task RunAsync(IPEndPoint server)
    {
        Child.Answer("ready");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            if (!int.TryParse(command, out int type) || type >= Types.Length)
            {
                Child.Answer("");
                continue;
            }

            var (name, first, makeRest) = Types[type];
            byte[] rest = makeRest();
            long sent = 0;
            int connections = 0;
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
            {
                while (Interlocked.Read(ref sent) < BytesOfEach)
                {
                    Interlocked.Increment(ref connections);
                    using Socket socket = ResetSockets.New();
                    try
                    {
                        await socket.ConnectAsync(server).ConfigureAwait(false);
                        Interlocked.Add(ref sent, await socket.SendAsync(first).ConfigureAwait(false));
                        while (Interlocked.Read(ref sent) < BytesOfEach)
                            Interlocked.Add(ref sent, await socket.SendAsync(rest).ConfigureAwait(false));
                    }
                    catch (SocketException)
                    {
                        // Closed: once more.
                    }
                }
            }))).ConfigureAwait(false);
            Child.Answer($"{name}: {sent / 1_000_000} MB, {connections} connections");
        }
    }

    private static byte[] Filled(byte value)
    {
        byte[] bytes = new byte[Piece];
        bytes.AsSpan().Fill(value);
        return bytes;
    }

    private static byte[] Noise()
    {
        byte[] bytes = new byte[Piece];
        new Random(1).NextBytes(bytes);
        return bytes;
    }

    private static byte[] Repeated(byte[] frame) => [.. Enumerable.Repeat(frame, Piece / frame.Length).SelectMany(bytes => bytes)];
}
