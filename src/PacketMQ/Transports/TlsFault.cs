namespace PacketMQ.Transports;

/// <summary>What TLS itself found wrong with a connection, in one sentence for people. Text from the other side in it is escaped.</summary>
internal sealed class TlsFault(TlsFaultKind kind, string message, Exception? inner = null) : IOException(message, inner)
{
    public TlsFaultKind Kind { get; } = kind;

    /// <summary>Whether the other side found it, and told us.</summary>
    public bool IsRemote { get; init; }

    /// <summary>Whether this side found it behind a handshake that was through: the reason can be told to the other side, and nothing else.</summary>
    public bool CanBeTold { get; init; }

    /// <summary>With <see cref="TlsFaultKind.NotTls"/>: the first four bytes that came, big-endian.</summary>
    public uint FirstBytes { get; init; }
}

internal enum TlsFaultKind
{
    /// <summary>No common version or protocol, a broken record, the stream's end in the handshake.</summary>
    Failed,

    /// <summary>A certificate was missing or was refused.</summary>
    Certificate,

    /// <summary>What came is not TLS.</summary>
    NotTls,
}
