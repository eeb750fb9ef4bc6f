namespace PacketMQ;
/// <summary>x</summary>
public abstract class Packet;
