namespace PacketMQ.Connections;

/// <summary>What a <see cref="BufferAccount"/> tells the connection that it belongs to.</summary>
internal interface IBufferOwner
{
    /// <summary>It holds the most of all, and all hold too much: it shall end. Called at most once, on a pool thread.</summary>
    public void Evict();
}
