using PacketMQ.Dispatch;

namespace PacketMQ.Tests.Support;

internal static class RoutesExtensions
{
    public static int WireIdOf(this PacketRoutes routes, PacketKey packet)
    {
        Assert.True(routes.TryGet(packet, out PacketRoute? route));
        return route.WireId;
    }
}
