using System.Buffers;
using System.Globalization;
using System.Text;
using Nerdbank.MessagePack;
using PolyType;

namespace PacketMQ.Samples.Snippets;

// <packets-record>
[GenerateShape]
public partial record Order(string Item, int Count)
{
    public string? Note { get; init; } // may be missing on the wire
}
// </packets-record>

// <packets-binary-names>
[GenerateShape]
public partial record Position
{
    [PropertyShape(Name = "x")]
    public required double East { get; init; }

    [PropertyShape(Name = "y")]
    public required double North { get; init; }
}
// </packets-binary-names>

// <packets-typed-class>
public sealed class OrderPacket(TextWriter log) : Packet<Order>
{
    protected override Order OnSend(Order data, PacketContext context)
        => data.Count > 0 ? data : throw new ArgumentException($"Count is {data.Count}; it must be above 0.");

    protected override async ValueTask OnReceiveAsync(Order data, PacketContext context)
    {
        await log.WriteLineAsync($"{data.Count} x {data.Item}".AsMemory(), context.ConnectionClosing);
        await context.ReplyAsync("shop:confirmed", data.Item);
    }
}
// </packets-typed-class>

// <packets-all-hooks>
public sealed class TemperaturePacket : Packet
{
    // 1. Sending: check or replace what the caller gave.
    protected override object? OnSend(object? data, PacketContext context)
        => data is double celsius and >= -273.15 ? celsius : throw new ArgumentException($"{data} is no temperature.");

    // 2. Sending: exactly one msgpack value. Here: tenths of a degree as an integer.
    protected override void OnEncode(object? data, IBufferWriter<byte> payload)
    {
        var writer = new MessagePackWriter(payload);
        writer.Write((int)Math.Round((double)data! * 10));
        writer.Flush();
    }

    // 3. Arrival: the payload is valid during this call only.
    protected override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context)
    {
        var reader = new MessagePackReader(payload);
        return reader.ReadInt32() / 10.0;
    }

    // 4. Arrival: what OnDecode returned.
    protected override ValueTask OnReceiveAsync(object? data, PacketContext context)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{context.PacketName} from {context.Connection.Id}: {data} degrees"));
        return default;
    }
}
// </packets-all-hooks>

// <packets-foreign-shape>
[GenerateShapeFor<Version>]
public partial class ForeignShapes;
// </packets-foreign-shape>

internal static class Packets
{
    public static async Task RunAsync()
    {
        // <packets-typed-delegate>
        var order = new Packet<Order>((data, context) => Console.WriteLine($"{data.Count} x {data.Item}"));
        var orderAsync = new Packet<Order>(async (data, context) =>
        {
            await SaveAsync(data, context.ConnectionClosing);
            await context.ReplyAsync("shop:confirmed", data.Item);
        });
        var sendOnly = new Packet<Order>();
        // </packets-typed-delegate>

        // <packets-dynamic>
        var report = Packet.Create((data, context) =>
        {
            var map = (PacketMap)data!;
            long id = (long)map["id"]!;            // every integer arrives as a long
            var tags = (object?[])map["tags"]!;    // every array as an object?[]
            object? first = map[1];                // a number is found whatever its integer type
            var copy = new Dictionary<object, object?>(map, PacketMap.KeyComparer) { ["seen"] = true }; // a map does not change
            Console.WriteLine($"{id}: {tags.Length} tags, {first}, {copy.Count} keys");
        });
        // </packets-dynamic>

        // <packets-binary>
        var upload = new BinaryPacket((bytes, context) =>
        {
            byte[] copy = bytes.ToArray();         // the view ends with the handler
            Console.WriteLine($"{copy.Length} bytes");
        });
        // </packets-binary>

        // <packets-foreign-packet>
        var version = new Packet<Version>(ForeignShapes.GeneratedTypeShapeProvider.GetTypeShape<Version>()!);
        // </packets-foreign-packet>

        (string Name, Packet Server, Packet Client)[] packets =
        [
            ("shop:order", orderAsync, sendOnly),
            ("shop:confirmed", new Packet<string>(), new Packet<string>((item, _) => Confirmed.TrySetResult(item))),
            ("shop:report", report, Packet.Create((_, _) => { })),
            ("shop:upload", upload, new BinaryPacket()),
            ("shop:temperature", new TemperaturePacket(), new TemperaturePacket()),
            ("shop:version", version, version),
            ("shop:position", new Packet<Position>(), new Packet<Position>()),
            ("shop:wholesale", new OrderPacket(Console.Out), new Packet<Order>()),
            ("shop:broken", new Packet<bool>((_, _) => throw new InvalidOperationException("on purpose")), new Packet<bool>()),
            ("shop:retail", order, new Packet<Order>()),
        ];
        var registry = new PacketRegistry();
        var clientRegistry = new PacketRegistry(adaptPacketIds: true);
        for (int i = 0; i < packets.Length; i++)
        {
            registry.AddPacket(packets[i].Name, packets[i].Server, 17 + i);
            clientRegistry.AddPacket(packets[i].Name, packets[i].Client, 17 + i);
        }

        var failed = new TaskCompletionSource<string>();
        await using var server = new MemoryServer(registry);
        server.HandlerFailed += (_, e) => failed.SetResult(e.PacketName);
        await using var client = new MemoryClient(clientRegistry);
        Connection connection = await client.ConnectAsync(server);

        Packet<Order> packet = sendOnly;
        // <packets-send>
        await connection.SendAsync(packet, new Order("tea", 2));       // the packet's object: typed, not boxed
        await connection.SendAsync("shop:order", new Order("tea", 2)); // its name or id: the type is checked when it is sent
        // </packets-send>
        Check.That(await Confirmed.Task == "tea");

        var sendUpload = (BinaryPacket)packets[3].Client;
        byte[] buffer = Encoding.UTF8.GetBytes("any bytes at all");
        // <packets-binary-send>
        await connection.SendAsync(sendUpload, buffer); // the buffer is yours again when the call returns
        // </packets-binary-send>

        await connection.SendAsync("shop:report", new Dictionary<object, object?> { ["id"] = 7, ["tags"] = new[] { "a" }, [1] = "one" });
        await connection.SendAsync("shop:temperature", 21.56);
        await connection.SendAsync("shop:version", new Version(1, 2));
        await connection.SendAsync("shop:position", new Position { East = 1, North = 2 });
        // <packets-broadcast>
        int receivers = await server.BroadcastAsync("shop:position", new Position { East = 3, North = 4 }); // or the packet's object
        // </packets-broadcast>
        Check.That(receivers <= 1); // the client may know that it is connected before the server does
        await connection.SendAsync("shop:wholesale", new Order("coffee", 500));
        await connection.SendAsync("shop:retail", new Order("coffee", 1));

        // <packets-send-error>
        try
        {
            await connection.SendAsync("shop:report", new Dictionary<object, object?> { ["when"] = TimeSpan.FromSeconds(1) });
        }
        catch (PacketException exception)
        {
            Console.WriteLine(exception.Message);
        }
        // </packets-send-error>
        Check.That(connection.State == ConnectionState.Active);

        await connection.SendAsync("shop:broken", true);
        Check.That(await failed.Task == "shop:broken" && connection.State == ConnectionState.Active);
    }

    private static readonly TaskCompletionSource<string> Confirmed = new();

    private static Task SaveAsync(Order order, CancellationToken cancellationToken) => Task.FromResult((order, cancellationToken));
}
