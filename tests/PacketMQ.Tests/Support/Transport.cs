using System.Net.Sockets;
using System.Reflection;
using Xunit.Sdk;
using Xunit.v3;

namespace PacketMQ.Tests.Support;

public enum Transport
{
    TcpIPv4,
    TcpIPv6,
    Unix,
    Memory,

    /// <summary>TLS over TCP, with certificates on both sides.</summary>
    Tls,

    /// <summary><see cref="Peer.AttachAsync"/> with two crossed pipes.</summary>
    Pipe,
}

/// <summary>Runs a test body once over each transport.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class AllTransportsAttribute : DataAttribute
{
    /// <summary>What this machine has.</summary>
    public static IEnumerable<Transport> Available
        => Enum.GetValues<Transport>().Where(transport => transport != Transport.TcpIPv6 || Socket.OSSupportsIPv6);

    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker)
        => new(Available.Select(transport => (ITheoryDataRow)new TheoryDataRow(transport)).ToArray());

    public override bool SupportsDiscoveryEnumeration() => true;
}
