namespace PacketMQ.Serialization;

/// <summary>What the objects of one payload's dynamic values count to, beside the payload's own <see cref="DynamicAllowance"/>.</summary>
internal interface IObjectBudget
{
    /// <summary>Called before so many bytes of objects are made, once for many of them and never for the first 64 KiB alone.</summary>
    /// <returns>False: nobody waits for the value any more, and reading it stops.</returns>
    public bool TryTake(long bytes);
}
