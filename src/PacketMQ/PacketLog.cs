namespace PacketMQ;
/// <summary>x</summary>
public sealed class PacketLog;
