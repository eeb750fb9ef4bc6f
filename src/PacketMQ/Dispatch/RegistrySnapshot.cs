using System.Collections.Immutable;
using PacketMQ.Wire;

namespace PacketMQ.Dispatch;

/// <summary>A registry at one moment: what a handshake that begins now announces. Immutable and shared until the registry changes.</summary>
internal sealed class RegistrySnapshot
{
    private readonly RegistrySnapshot?[]? _kinds; // of connections, made when the first one comes; null: no packet has a guard
    private AgreedRoutes? _last;

    public RegistrySnapshot(bool adaptPacketIds, ImmutableArray<PacketRoute> routes)
        : this(new Contract(adaptPacketIds, [.. routes.Select(route => new PacketDeclaration(route.Name, route.Id))]), routes)
    {
        if (routes.Any(route => route.Guard is not null))
            _kinds = new RegistrySnapshot?[4];
    }

    private sealed record AgreedRoutes(Agreement Agreement, Packet? Fallback, PacketRoutes Routes);

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

    /// <summary>The table of a connection; those that agreed on the same share one.</summary>
    /// <param name="agreement">What the handshake agreed on.</param>
    /// <param name="fallback">Stands for the names that only the other side has.</param>
    public PacketRoutes RoutesFor(Agreement agreement, Packet? fallback)
    {
        if (Volatile.Read(ref _last) is { } last && last.Agreement == agreement && last.Fallback == fallback)
            return last.Routes;
        PacketRoutes routes = PacketRoutes.For(Registered, Own, agreement, fallback);
        Volatile.Write(ref _last, new AgreedRoutes(agreement, fallback, routes));
        return routes;
    }

    /// <summary>The same packets, with what their guards say about connections of one kind.</summary>
    public RegistrySnapshot For(bool isClient, bool isEncrypted)
    {
        if (_kinds is null)
            return this;
        ref RegistrySnapshot? kind = ref _kinds[(isClient ? 2 : 0) + (isEncrypted ? 1 : 0)];
        return Volatile.Read(ref kind) ?? Interlocked.CompareExchange(ref kind, Make(isClient, isEncrypted), null) ?? kind;
    }

    private RegistrySnapshot Make(bool isClient, bool isEncrypted)
        => new(Contract, [.. Registered.Select(route => route.For(isClient, isEncrypted))]);
}
