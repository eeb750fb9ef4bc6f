using System.Text;

namespace PacketMQ.Soak;

/// <summary>The packets of all runs, and the bytes of clients that are played by hand.</summary>
internal static class Traffic
{
    public const string EchoName = "soak:echo";
    public const string FeedName = "soak:feed";
    public const int EchoId = 17;
    public const int FeedId = 18;

    /// <summary>Takes anything.</summary>
    public const string SinkName = "soak:sink";
    public const int SinkId = 19;

    /// <summary>Takes anything, and is busy with it until the connection ends.</summary>
    public const string HoldName = "soak:hold";
    public const int HoldId = 20;

    /// <summary>What a client says until it is active: INIT, PUBIDS, FINISH.</summary>
    public static byte[] Handshake { get; } =
    [
        .. Init,
        .. Frame(2,
        [
            0x82, .. Text("adapt"), 0xc3, .. Text("idmap"), 0x88,
            .. Text("packetmq:handshake_init"), 0, .. Text("packetmq:softquit"), 1,
            .. Text("packetmq:handshake_pubids"), 2, .. Text("packetmq:handshake_finish"), 3,
            .. Text(EchoName), EchoId, .. Text(FeedName), FeedId, .. Text(SinkName), SinkId,
            .. Text(HoldName), HoldId,
        ]),
        .. Frame(3, 0xc0),
    ];

    public static byte[] Init => Frame(0, [0x81, .. Text("version"), 1]);

    /// <summary>A packet's data: its number, and bytes that tell whether it is whole.</summary>
    public static object Make(long number, int size)
    {
        byte[] bytes = new byte[size];
        bytes.AsSpan().Fill((byte)number);
        return new object[] { number, bytes };
    }

    public static bool TryRead(object? data, out long number)
    {
        number = -1;
        if (data is not object?[] { Length: 2 } parts || parts[0] is not long read || parts[1] is not byte[] bytes)
            return false;
        number = read;
        return !bytes.AsSpan().ContainsAnyExcept((byte)read);
    }

    public static byte[] Frame(int id, params byte[] payload)
    {
        int length = payload.Length + 2;
        return [(byte)(length >> 24), (byte)(length >> 16), (byte)(length >> 8), (byte)length, (byte)(id >> 8), (byte)id, .. payload];
    }

    public static byte[] Text(string text) => [0xc4, (byte)text.Length, .. Encoding.ASCII.GetBytes(text)];
}
