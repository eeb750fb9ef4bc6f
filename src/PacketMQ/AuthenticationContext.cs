using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ;

/// <summary>What <see cref="PeerOptions.Authenticate"/> sees of the other side of a connection that is in its handshake.</summary>
public sealed class AuthenticationContext
{
    internal AuthenticationContext(Connection connection) => Connection = connection;

    /// <summary>The connection. It can be closed; nothing can be sent on it yet.</summary>
    public Connection Connection { get; }

    /// <summary>The peer that the connection belongs to.</summary>
    public Peer Peer => Connection.Peer;

    /// <summary>Where the other side connects from; <see langword="null"/> if its transport has no name for it.</summary>
    public EndPoint? RemoteEndPoint => Connection.RemoteEndPoint;

    /// <summary>What TLS has agreed on; <see langword="null"/> in plain text.</summary>
    public TlsDetails? Tls => Connection.Tls;

    /// <summary>The other side's certificate, which TLS has checked; <see langword="null"/> if none was asked for, and in plain text.</summary>
    public X509Certificate2? Certificate => Tls?.PeerCertificate;
}
