namespace PacketMQ;

/// <summary>What happens when a received packet can't be used.</summary>
public enum RefusalAction
{
    /// <summary>The connection ends; the other side is told the reason.</summary>
    Close,

    /// <summary>The packet is left out and logged; the connection goes on.</summary>
    Skip,
}
