using System.Net;
using System.Security.Claims;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ.Samples.Snippets;

internal static class Security
{
    public static async Task RunAsync()
    {
        var registry = new PacketRegistry();
        registry.AddPacket("myapplication:mypacket", Packet.Create((_, _) => { }), 17);

        // <security-address>
        var options = new PeerOptions
        {
            Authenticate = async (context, cancellationToken) =>
                await IsAllowedAsync(context.RemoteEndPoint, cancellationToken)
                    ? AuthenticationResult.Accept()
                    : AuthenticationResult.Refuse("This address is not on the list."), // for this side's log
        };
        // </security-address>
        await using (var server = new Server(registry, options))
        await using (var client = new Client(Client()))
        {
            IPEndPoint endPoint = server.Listen(0);
            await client.ConnectAsync("localhost", endPoint.Port);
        }

        await using (var server = new Server(registry, new PeerOptions { Authenticate = AcceptClients }))
        await using (var client = new Client(Client()))
        {
            IPEndPoint endPoint = server.Listen(0);
            try
            {
                await client.ConnectAsync("localhost", endPoint.Port);
                Check.That(false);
            }
            catch (ConnectionClosedException exception) when (exception.CloseInfo.Reason == CloseReason.AuthenticationFailed)
            {
                // Without TLS there is no certificate.
            }
        }

        RefusePlainText(registry);
        await GuardAsync();
    }

    private static void RefusePlainText(PacketRegistry registry)
    {
        // <security-require-tls>
        var options = new PeerOptions
        {
            RequireTls = true, // and no Tls: the configuration lacks its certificate, say
        };
        try
        {
            _ = new Server(registry, options);
        }
        catch (ArgumentException exception)
        {
            Console.WriteLine(exception.Message); // RequireTls is set but Tls is not: ...
        }
        // </security-require-tls>
    }

    // <security-certificate>
    private static ValueTask<AuthenticationResult> AcceptClients(AuthenticationContext context, CancellationToken cancellationToken)
    {
        string? name = context.Certificate?.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        if (name is null)
            return new(AuthenticationResult.Refuse("There is no certificate."));
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, name)], authenticationType: "certificate");
        if (name == "the operator")
            identity.AddClaim(new Claim(ClaimTypes.Role, "operator"));
        return new(AuthenticationResult.Accept(new ClaimsPrincipal(identity))); // Connection.User from now on
    }
    // </security-certificate>

    private static async Task GuardAsync()
    {
        Packet order = Packet.Create((_, _) => { });
        Packet news = Packet.Create((_, _) => { });
        Packet shutdown = Packet.Create((_, _) => { });

        // <security-guards>
        var registry = new PacketRegistry();
        registry.AddPacket("shop:order", order, 17, new PacketGuard { RequireTls = true });
        registry.AddPacket("shop:news", news, 18, new PacketGuard { Flow = PacketFlow.ServerToClient });
        registry.AddPacket("shop:shutdown", shutdown, 19, new PacketGuard
        {
            Flow = PacketFlow.ClientToServer,
            Policy = context => context.Connection.User?.IsInRole("operator") == true,
            Violation = RefusalAction.Skip, // leave the packet out, count it, and go on
        });
        // </security-guards>

        var clientRegistry = new PacketRegistry(adaptPacketIds: true);
        clientRegistry.AddPacket("shop:order", order, 17);
        clientRegistry.AddPacket("shop:news", news, 18);
        clientRegistry.AddPacket("shop:shutdown", shutdown, 19);
        await using var server = new Server(registry);
        await using var client = new Client(clientRegistry);
        IPEndPoint endPoint = server.Listen(0);
        Connection connection = await client.ConnectAsync("localhost", endPoint.Port);
        await connection.SendAsync("shop:shutdown", "now");
        await connection.SendAsync("shop:news", "forged");
        Check.That((await connection.Closed).Reason == CloseReason.NotPermitted);
        Check.That(server.GuardViolations == 2);
    }

    private static async ValueTask<bool> IsAllowedAsync(EndPoint? endPoint, CancellationToken cancellationToken)
    {
        await Task.Delay(1, cancellationToken); // somebody is asked
        return endPoint is IPEndPoint;
    }

    private static PacketRegistry Client()
    {
        var registry = new PacketRegistry(adaptPacketIds: true);
        registry.AddPacket("myapplication:mypacket", Packet.Create((_, _) => { }), 17);
        return registry;
    }
}
