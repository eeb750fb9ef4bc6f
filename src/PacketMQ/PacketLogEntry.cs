namespace PacketMQ;

/// <summary>One packet in a <see cref="PacketLog"/>.</summary>
/// <param name="Time">When it was logged.</param>
/// <param name="Direction">Which way it went.</param>
/// <param name="ConnectionId">The connection's <see cref="Connection.Id"/>.</param>
/// <param name="PacketName">The packet's name.</param>
/// <param name="WireId">The packet's id on the wire of that connection.</param>
/// <param name="PayloadLength">The payload's whole length in bytes.</param>
/// <param name="Payload">The payload's first bytes, at most <see cref="PacketLog.MaxPayloadBytes"/>: one msgpack value.</param>
public sealed record PacketLogEntry(
    DateTimeOffset Time, PacketDirection Direction, long ConnectionId, string PacketName, int WireId, long PayloadLength,
    ReadOnlyMemory<byte> Payload);
