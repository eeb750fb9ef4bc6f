using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>Reads what TLS has decrypted, with no pipe between.</summary>
internal sealed class TlsPipeReader(TlsSession session, ArrayPool<byte> pool) : ReceivingPipeReader(pool)
{
    private ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter _arrival;
    private Action? _onArrival;
    private CancelSignal _wake;

    /// <summary>A wait that may hold a buffer for nothing begins anew. From any thread.</summary>
    public void RenewWait() => _wake.Wake();

    // One may not ask the session while it waits.
    protected override bool TryReceive(out int count)
    {
        count = 0;
        return !IsArrivalAwaited && session.HasDecryptedBytes() && TryReceiveArrived(out count);
    }

    // Looking costs as much as a wait that need not wait, and that is tried anyway.
    protected override bool TryReceiveSoon(out int count)
    {
        count = 0;
        return false;
    }

    protected override bool TryReceiveArrived(out int count)
    {
        count = session.ReadNow(Buffer.GetFreeMemory());
        return true;
    }

    protected override void BeginWaitForArrival()
    {
        _arrival = session.WaitForBytesAsync(_wake.PrepareWait()).ConfigureAwait(false).GetAwaiter();
        if (_arrival.IsCompleted)
            EndWaitForArrival();
        else
            _arrival.UnsafeOnCompleted(_onArrival ??= EndWaitForArrival);
    }

    // A wait that went on would decrypt what arrives while close_notify is being written, and OpenSSL does not allow both at once.
    protected override bool EndsWaits => true;

    protected override void WakeArrival() => _wake.Request();

    protected override void ThrowIfClosedHere() => session.ThrowIfClosedHere();

    [SuppressMessage("Usage", "VSTHRD002:Avoid problematic synchronous waits", Justification = "The wait has completed.")]
    private void EndWaitForArrival()
    {
        Exception? failure = null;
        bool isWoken = false;
        try
        {
            isWoken = _arrival.GetResult() == TlsSession.Woken;
        }
        catch (Exception exception)
        {
            failure = exception;
        }

        _wake.TryTake();
        OnArrival(failure, isWoken);
    }
}
