using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace PacketMQ;

/// <summary>What TLS has agreed on for a connection, and who the other side has proved to be.</summary>
/// <param name="Protocol">The version: TLS 1.2 or 1.3.</param>
/// <param name="CipherSuite">The cipher suite.</param>
/// <param name="PeerCertificate">
/// The other side's certificate, which was checked: on a client always, on a server if
/// <see cref="TlsOptions.RequireClientCertificate"/>. Otherwise <see langword="null"/>.
/// </param>
/// <param name="HostName">On a client the name that the server has proved; on a server the one that the client asked for, unchecked, empty if it named none.</param>
public sealed record TlsDetails(SslProtocols Protocol, TlsCipherSuite CipherSuite, X509Certificate2? PeerCertificate, string HostName);
