using System.Collections.Immutable;
using PacketMQ.Wire;

namespace PacketMQ.Dispatch;

/// <summary>A registry at one moment: what a handshake that begins now announces. Immutable and shared until the registry changes.</summary>
internal sealed class RegistrySnapshot
{
    private readonly RegistrySnapshot?[]? _kinds; // of connections, made when the first one comes; null: no packet has a guard

    public RegistrySnapshot(bool adaptPacketIds, ImmutableArray<PacketRoute> routes)
        : this(new Contract(adaptPacketIds, [.. routes.Select(route => new PacketDeclaration(route.Name, route.Id))]), routes)
    {
        if (routes.Any(route => route.Guard is not null))
            _kinds = new RegistrySnapshot?[4];
    }

    private RegistrySnapshot(Contract contract, ImmutableArray<PacketRoute> routes)
    {
        Registered = routes;
        Own = new PacketRoutes(routes);
        Contract = contract;
    }

    /// <summary>The application packets in registration order.</summary>
    public ImmutableArray<PacketRoute> Registered { get; }

    public PacketRoutes Own { get; }

    public Contract Contract { get; }

    /// <summary>The same packets, with what their guards say about connections of one kind.</summary>
    public RegistrySnapshot For(bool isClient, bool isEncrypted)
    {
        if (_kinds is null)
            return this;
        ref RegistrySnapshot? kind = ref _kinds[(isClient ? 2 : 0) + (isEncrypted ? 1 : 0)];
        if (Volatile.Read(ref kind) is { } made)
            return made;
        var making = new RegistrySnapshot(Contract, [.. Registered.Select(route => route.For(isClient, isEncrypted))]);
        return Interlocked.CompareExchange(ref kind, making, null) ?? making;
    }
}
