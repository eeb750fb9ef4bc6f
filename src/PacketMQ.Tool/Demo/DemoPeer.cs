namespace PacketMQ.Tool.Demo;

/// <summary>Watches one peer of the demo: what it prints, which ids its packets have on the wire, and how its connection begins and ends.</summary>
internal sealed class DemoPeer
{
    /// <summary>The documented packet that is echoed.</summary>
    public const string MyPacket = "myapplication:mypacket";

    /// <summary>The documented packet that is printed.</summary>
    public const string MyPrintPacket = "myapplication:myprintpacket";

    private readonly TaskCompletionSource<Connection> _made = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<CloseInfo> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FirstLine _echoed = new();
    private readonly FirstLine _printed = new();
    private int _sentWireId;
    private int _receivedWireId;

    /// <summary>Registers the documented pair, as both sides of the documentation do.</summary>
    public DemoPeer(string name, bool adaptPacketIds, int myPacketId, int myPrintPacketId)
    {
        Name = name;
        Registry = new PacketRegistry(adaptPacketIds);
        Registry.AddPacket(MyPacket, new WatchedEcho(this), myPacketId);
        Registry.AddPacket(MyPrintPacket, new WatchedPrint(this), myPrintPacketId);
        Options = new PeerOptions { PacketLog = new PacketLog() };
    }

    /// <summary>What the story calls it.</summary>
    public string Name { get; }

    /// <summary>Its packets.</summary>
    public PacketRegistry Registry { get; }

    /// <summary>Its options, with a packet log.</summary>
    public PeerOptions Options { get; }

    /// <summary>Its connection is made.</summary>
    public Task<Connection> Made => _made.Task;

    /// <summary>Its connection has ended.</summary>
    public Task<CloseInfo> Lost => _lost.Task;

    /// <summary>What its EchoPacket printed.</summary>
    public Task<string> Echoed => _echoed.Line;

    /// <summary>What its PrintPacket printed.</summary>
    public Task<string> Printed => _printed.Line;

    /// <summary>The frame of <see cref="MyPacket"/> that it sent.</summary>
    public DemoFrame SentFrame => Frame(MyPacket, PacketDirection.Sent, _sentWireId);

    /// <summary>The frame of <see cref="MyPrintPacket"/> that it received.</summary>
    public DemoFrame ReceivedFrame => Frame(MyPrintPacket, PacketDirection.Received, _receivedWireId);

    /// <summary>Watches the peer that has been made with <see cref="Registry"/> and <see cref="Options"/>.</summary>
    public void Watch(Peer peer)
    {
        peer.ConnectionMade += (_, made) => _made.TrySetResult(made.Connection);
        peer.ConnectionLost += (_, lost) => _lost.TrySetResult(lost.CloseInfo);
        peer.ConnectionRefused += (_, refused) => _made.TrySetException(new ConnectionClosedException(refused.CloseInfo));
    }

    private DemoFrame Frame(string name, PacketDirection direction, int wireId)
    {
        PacketLogEntry entry = Options.PacketLog!.Entries.First(candidate => candidate.PacketName == name && candidate.Direction == direction);
        return new DemoFrame(name, Registry.GetId(name), wireId, entry.Payload);
    }

    private sealed class WatchedEcho(DemoPeer peer) : EchoPacket(MyPrintPacket, peer._echoed)
    {
        protected override object? OnSend(object? data, PacketContext context)
        {
            peer._sentWireId = context.WireId;
            return data;
        }
    }

    private sealed class WatchedPrint(DemoPeer peer) : PrintPacket(peer._printed)
    {
        protected override ValueTask OnReceiveAsync(object? data, PacketContext context)
        {
            peer._receivedWireId = context.WireId;
            return base.OnReceiveAsync(data, context);
        }
    }
}
