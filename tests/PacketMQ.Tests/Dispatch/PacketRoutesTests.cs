using PacketMQ.Dispatch;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Dispatch;

public sealed class PacketRoutesTests
{
    private static readonly Packet One = Registries.Sink();
    private static readonly Packet Fallback = Registries.Sink();

    private readonly RegistrySnapshot _snapshot = Registries.Server(("a:one", One), ("a:two", One), ("a:three", Registries.Sink())).Snapshot();

    [Fact]
    public void Connections_that_agreed_on_the_registrys_own_ids_share_one_table()
    {
        PacketRoutes routes = PacketRoutes.For(_snapshot.Registered, _snapshot.Own, Agreement.OnOwnIds(_snapshot.Contract), Fallback);
        Assert.Same(_snapshot.Own, routes);
        Assert.True(routes.TryGetByWireId(17, out PacketRoute? route));
        Assert.Equal(("a:one", 17, 17), (route.Name, route.Id, route.WireId));
    }

    [Fact]
    public void A_table_of_ones_own_has_the_agreed_ids_and_leaves_out_what_the_other_side_lacks()
    {
        PacketRoutes routes = PacketRoutes.For(_snapshot.Registered, _snapshot.Own, Agree(), Fallback);
        Assert.Equal(900, routes.WireIdOf("a:one"));
        Assert.Equal(900, routes.WireIdOf(17));
        Assert.Equal(900, routes.WireIdOf(One));
        Assert.Equal(17, routes.WireIdOf("a:three"));
        Assert.False(routes.TryGet("a:two", out _) || routes.TryGet(18, out _) || routes.TryGetByWireId(18, out _));
        Assert.False(routes.TryGet(900, out _)); // a key's id is the registry's, never the wire's
        Assert.True(routes.TryGetByWireId(500, out PacketRoute? other) && other.Name == "b:theirs" && other.Packet == Fallback);
        Assert.Equal(500, routes.WireIdOf("b:theirs"));
        Assert.False(routes.TryGet(Fallback, out _) || routes.TryGet(-1, out _));
    }

    [Fact]
    public void Without_a_fallback_names_that_only_the_other_side_has_stay_unknown()
    {
        PacketRoutes routes = PacketRoutes.For(_snapshot.Registered, _snapshot.Own, Agree(), fallback: null);
        Assert.False(routes.TryGet("b:theirs", out _) || routes.TryGetByWireId(500, out _));
    }

    [Fact]
    public void A_snapshot_is_made_once_and_again_after_a_change()
    {
        PacketRegistry registry = Registries.Server(One);
        RegistrySnapshot first = registry.Snapshot();
        Assert.Same(first, registry.Snapshot());
        registry.AddPacket("a:later", One, 99);
        Assert.NotSame(first, registry.Snapshot());
        Assert.Single(first.Registered);
        Assert.Equal([17, 99], registry.Snapshot().Contract.Ids);
    }

    [Fact]
    public void Connections_with_one_agreement_share_one_table()
    {
        Agreement agreement = Agree();
        PacketRoutes routes = _snapshot.RoutesFor(agreement, Fallback);
        Assert.Same(routes, _snapshot.RoutesFor(agreement, Fallback));
        Assert.NotSame(routes, _snapshot.RoutesFor(agreement, fallback: null));
        Assert.NotSame(_snapshot.RoutesFor(agreement, Fallback), _snapshot.RoutesFor(Agree(), Fallback));
        Assert.Same(_snapshot.Own, _snapshot.RoutesFor(Agreement.OnOwnIds(_snapshot.Contract), Fallback));
    }

    private static Agreement Agree() => new()
    {
        WireIds = [900, -1, 17],
        OnlyThere = [new PacketDeclaration("b:theirs", 500)],
        IsOwnContract = false,
    };
}
