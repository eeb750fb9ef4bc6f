using System.Net;

namespace PacketMQ.Transports;

/// <summary>One end of a connection inside this process. It only has a name to be read by people.</summary>
internal sealed class MemoryEndPoint(string name) : EndPoint
{
    public override string ToString() => $"memory:{name}";
}
