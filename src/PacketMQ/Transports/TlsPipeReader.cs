using System.Buffers;

namespace PacketMQ.Transports;

/// <summary>Reads what TLS has decrypted, with no pipe between.</summary>
internal sealed class TlsPipeReader(TlsSession session, ArrayPool<byte> pool) : ReceivingPipeReader(pool)
{
    protected override bool TryReceive(bool hasArrived, out int count)
    {
        count = 0;
        if (!hasArrived && !session.HasDecryptedBytes())
            return false;
        count = session.ReadNow(Buffer.GetFreeMemory());
        return true;
    }

    // Looking costs as much as a wait that need not wait, and that is tried anyway.
    protected override bool TryReceiveSoon(CancelSignal cancel, out int count)
    {
        count = 0;
        return false;
    }

    protected override ValueTask<int> WaitForBytesAsync(CancellationToken wake) => session.WaitForBytesAsync(wake);

    protected override void ThrowIfClosedHere() => session.ThrowIfClosedHere();
}
