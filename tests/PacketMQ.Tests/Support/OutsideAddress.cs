using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace PacketMQ.Tests.Support;

/// <summary>An IPv4 address of this machine that is not the loopback interface's: what comes from it counts as a stranger.</summary>
internal static class OutsideAddress
{
    public static IPAddress FindOrSkip()
    {
        IPAddress? found = NetworkInterface.GetAllNetworkInterfaces()
            .Where(network => network.OperationalStatus == OperationalStatus.Up)
            .SelectMany(network => network.GetIPProperties().UnicastAddresses)
            .Select(unicast => unicast.Address)
            .FirstOrDefault(address => address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address));
        Assert.SkipWhen(found is null, "This machine has no address but the loopback interface's.");
        return found;
    }
}
