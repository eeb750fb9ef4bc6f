using System.Collections.Immutable;
using PacketMQ.Wire;

namespace PacketMQ.Dispatch;

/// <summary>A registry at one moment: what a handshake that begins now announces. Immutable and shared until the registry changes.</summary>
internal sealed class RegistrySnapshot
{
    public RegistrySnapshot(bool adaptPacketIds, ImmutableArray<PacketRoute> routes)
    {
        Registered = routes;
        Own = new PacketRoutes(routes);
        Contract = new Contract(adaptPacketIds, [.. routes.Select(route => new PacketDeclaration(route.Name, route.Id))]);
    }

    /// <summary>The application packets in registration order.</summary>
    public ImmutableArray<PacketRoute> Registered { get; }

    public PacketRoutes Own { get; }

    public Contract Contract { get; }
}
