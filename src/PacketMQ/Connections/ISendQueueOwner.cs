namespace PacketMQ.Connections;

/// <summary>What a <see cref="SendQueue"/> tells the connection that it belongs to. Called on the thread that sends or writes, outside of the queue's gate.</summary>
internal interface ISendQueueOwner
{
    /// <summary>The transport takes no more.</summary>
    public void OnSendFailed(Exception exception);

    /// <summary>A send found no room, not even to wait.</summary>
    public void OnTooManyWaiting();
}
