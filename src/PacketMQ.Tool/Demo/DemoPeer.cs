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

    /// <summary>Registers the documented pair, as both sides of the documentation do.</summary>
    public DemoPeer(string name, bool adaptPacketIds, int myPacketId, int myPrintPacketId)
    {
        Name = name;
        Registry = new PacketRegistry(adaptPacketIds);
        Registry.AddPacket(MyPacket, new EchoPacket(MyPrintPacket, _echoed), myPacketId);
        Registry.AddPacket(MyPrintPacket, new PrintPacket(_printed), myPrintPacketId);
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
    public DemoFrame SentFrame => Frame(MyPacket, PacketDirection.Sent);

    /// <summary>The frame of <see cref="MyPrintPacket"/> that it received.</summary>
    public DemoFrame ReceivedFrame => Frame(MyPrintPacket, PacketDirection.Received);

    /// <summary>Watches the peer that has been made with <see cref="Registry"/> and <see cref="Options"/>.</summary>
    public void Watch(Peer peer)
    {
        peer.ConnectionMade += (_, made) => _made.TrySetResult(made.Connection);
        peer.ConnectionLost += (_, lost) => _lost.TrySetResult(lost.CloseInfo);
        peer.ConnectionRefused += (_, refused) => _made.TrySetException(new ConnectionClosedException(refused.CloseInfo));
    }

    private DemoFrame Frame(string name, PacketDirection direction)
    {
        PacketLogEntry entry = Options.PacketLog!.Entries.First(candidate => candidate.PacketName == name && candidate.Direction == direction);
        return new DemoFrame(name, Registry.GetId(name), entry.WireId, entry.Payload);
    }
}
