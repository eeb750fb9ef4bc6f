using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace PacketMQ;

/// <summary>
/// One of the three ways to say which packet is meant, as the documentation's Auto-Types: its name, its id in the registry, or
/// its object. Each converts implicitly, so <c>GetId("app:move")</c>, <c>GetId(17)</c> and <c>GetId(move)</c> all work.
/// </summary>
public readonly record struct PacketKey
{
    private readonly object? _nameOrPacket;
    private readonly int _id;

    private PacketKey(object? nameOrPacket, int id) => (_nameOrPacket, _id) = (nameOrPacket, id);

    /// <summary>Means the packet with this name.</summary>
    /// <param name="name">A name such as <c>myapplication:mypacket</c>; compared byte for byte.</param>
    public static implicit operator PacketKey(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return new(name, 0);
    }

    /// <summary>Means the packet with this id in the registry (on the wire it may have another one).</summary>
    /// <param name="id">An id; whether it exists is checked where the key is used.</param>
    public static implicit operator PacketKey(int id) => new(null, id);

    /// <summary>Means this object; registered under several names, it stands for the first of them.</summary>
    /// <param name="packet">A packet object.</param>
    public static implicit operator PacketKey(Packet packet)
    {
        ArgumentNullException.ThrowIfNull(packet);
        return new(packet, 0);
    }

    internal bool TryGetName([NotNullWhen(true)] out string? name) => (name = _nameOrPacket as string) is not null;

    internal bool TryGetPacket([NotNullWhen(true)] out Packet? packet) => (packet = _nameOrPacket as Packet) is not null;

    internal int Id => _id;

    /// <summary>What is meant, for messages.</summary>
    public override string ToString() => _nameOrPacket switch
    {
        string name => $"'{PrintableText.Escape(name)}'",
        Packet packet => $"object of type {packet.GetType().Name}",
        _ => $"id {_id.ToString(CultureInfo.InvariantCulture)}",
    };
}
