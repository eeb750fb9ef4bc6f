using System.Net;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Support;

/// <summary>TLS between two sides that trust one root and each have a certificate of it.</summary>
internal static class TestTls
{
    public const string HostName = "localhost";

    public static TestRoot Root { get; } = new("PacketMQ tests");

    public static TlsOptions ForServers { get; } = new()
    {
        Certificate = new TlsCertificate(Root.IssueServer(HostName, "127.0.0.1", "::1")),
        RequireClientCertificate = true,
        TrustedRoots = Root.Roots,
    };

    public static TlsOptions ForClients { get; } = new()
    {
        Certificate = new TlsCertificate(Root.IssueClient("a client")),
        TrustedRoots = Root.Roots,
        TargetHost = HostName,
    };

    /// <summary>Two ends of a transport whose handshake is through.</summary>
    public static async ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync(EndPoint endPoint)
    {
        (TransportConnection left, TransportConnection right) = await Transports.SocketPair.ConnectAsync(endPoint);
        var client = new TlsConnection((SocketConnection)left, new TlsHandshake(new TlsCredentials(ForClients), HostName));
        var server = new TlsConnection((SocketConnection)right, new TlsHandshake(new TlsCredentials(ForServers), targetHost: null));
        Assert.All(await Task.WhenAll(client.OpenAsync(), server.OpenAsync()).Soon(), Assert.Null);
        return (client, server);
    }
}
