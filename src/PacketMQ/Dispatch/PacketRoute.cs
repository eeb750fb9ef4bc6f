namespace PacketMQ.Dispatch;

/// <summary>Ties a packet's name and object to its id in the registry and its id on the wire of one connection (or of all that agreed on the registry's own ids).</summary>
internal sealed record PacketRoute(string Name, Packet Packet, int Id, int WireId);
