using System.Diagnostics.CodeAnalysis;
using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Authentication;

namespace PacketMQ.Transports;

/// <summary>
/// The SslStream of one connection with what it does not do by itself: it tells a peer's close_notify from a cut, says in one exception
/// what went wrong, the first time and ever after, and is disposed only when its last user has left. One reader and one writer at a
/// time; <see cref="Dispose"/> from any thread.
/// </summary>
internal sealed class TlsSession(SslStream ssl, SocketStream stream) : IDisposable
{
    /// <summary>The result of a wait that was interrupted.</summary>
    public const int Woken = -1;

    // Where what a refused side still sends goes, of all connections at once: nobody looks at it.
    private static readonly byte[] Ignored = new byte[4 * 1024];

    private readonly Lock _gate = new();
    private int _users; // guarded by the gate
    private bool _disposed;
    private volatile bool _isOpen;
    private volatile bool _canWrite; // open, or refused behind the handshake: for the reason
    private volatile bool _hasEnded;
    private volatile TlsFault? _fault;
    private int _ignoredBytes; // received and not reported yet; the reader's own
    private bool _mayHaveRecord; // behind what was read; the reader's own

    public SslStream Ssl => ssl;

    public SocketStream Stream => stream;

    /// <summary>Whether the handshake is through.</summary>
    public bool IsOpen => _isOpen;

    /// <summary>Whether the stream ended without the other side's close_notify.</summary>
    public bool IsTruncated { get; private set; }

    /// <summary>Runs the handshake.</summary>
    /// <returns>Why it failed; null if it is through.</returns>
    public async Task<IOException?> OpenAsync(TlsHandshake handshake)
    {
        try
        {
            Enter();
        }
        catch (IOException exception)
        {
            return exception;
        }

        try
        {
            IOException? failure = await handshake.RunAsync(ssl, stream).ConfigureAwait(false);
            _fault = failure as TlsFault;
            _canWrite = failure is null || _fault is { CanBeTold: true };
            if (failure is null)
                stream.BeginData(RecordOverhead);
            _isOpen = failure is null;
            return failure;
        }
        finally
        {
            Leave();
        }
    }

    public void ThrowIfClosedHere() => stream.ThrowIfClosedHere();

    /// <summary>Waits, without a buffer, until <see cref="ReadNow"/> has something to give. <see cref="Woken"/>: it was interrupted.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> WaitForBytesAsync(CancellationToken wake)
    {
        Enter();
        try
        {
            if (!_isOpen)
                await IgnoreBytesAsync(wake).ConfigureAwait(false);
            else if (!_hasEnded)
            {
                stream.BeginWait(_mayHaveRecord);
                await ssl.ReadAsync(Memory<byte>.Empty, wake).ConfigureAwait(false);
            }

            return 0;
        }
        catch (OperationCanceledException) when (wake.IsCancellationRequested)
        {
            _mayHaveRecord = false; // it has looked, and has given its buffer back
            return Woken;
        }
        catch (Exception exception) when (Explain(exception) is var cause)
        {
            if (cause is not null)
                throw cause;
            return 0;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Whether something can be read without waiting.</summary>
    [SuppressMessage("Usage", "VSTHRD002:Avoid problematic synchronous waits", Justification = "The wait has completed.")]
    public bool HasDecryptedBytes()
    {
        ValueTask<int> wait = WaitForBytesAsync(new CancellationToken(canceled: true));
        return wait.IsCompleted ? wait.GetAwaiter().GetResult() != Woken : throw new InvalidOperationException("A cancelled wait does not wait.");
    }

    /// <summary>
    /// Reads what was decrypted; 0 at the end. Only after a wait has said that there is something. Behind a handshake that failed: as many
    /// zeros as bytes came, so that whoever drains the stream can count them.
    /// </summary>
    [SuppressMessage("Usage", "VSTHRD002:Avoid problematic synchronous waits", Justification = "The read has completed; a pooled task source wants to be asked.")]
    public int ReadNow(Memory<byte> buffer)
    {
        if (_hasEnded)
            return 0;
        if (!_isOpen)
            return ReportIgnoredBytes(buffer.Span);
        Enter();
        try
        {
            ValueTask<int> read = ssl.ReadAsync(buffer);
            if (!read.IsCompleted)
                throw new InvalidOperationException("Nothing was decrypted.");
            int count = read.GetAwaiter().GetResult();
            if (count == 0)
                End();
            else
                stream.NoticeData(count);
            _mayHaveRecord = count == buffer.Length;
            return count;
        }
        catch (Exception exception) when (Explain(exception) is var cause)
        {
            if (cause is not null)
                throw cause;
            return 0;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Encrypts and sends; what a cancelled write has not sent is kept by the socket's writer.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        if (!_canWrite)
            throw new IOException("The TLS handshake is not through.");
        Enter();
        try
        {
            try
            {
                stream.BeginGathering(bytes.Length);
                await ssl.WriteAsync(bytes, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                stream.EndGathering();
            }

            await stream.SendGatheredAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (!stream.HasFailedToWrite)
        {
            throw Explain(exception) ?? new IOException("The other side has ended the stream.", exception);
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Says close_notify: nothing is written behind it. It never fails: then the connection has ended already.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "The farewell is all that is lost.")]
    public async Task EndWritingAsync()
    {
        try
        {
            Enter();
        }
        catch (IOException)
        {
            return;
        }

        try
        {
            if (_canWrite)
                await ssl.ShutdownAsync().ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The connection is gone already, or somebody is in the middle of a write, or TLS itself has failed: then OpenSSL says nothing more.
            // Being cut is the truth.
        }
        finally
        {
            Leave();
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            if (_users > 0)
                return;
        }

        ssl.Dispose();
    }

    // RFC 8446 section 5.2: the type of what is in it, and the tag of its cipher. Before TLS 1.3 it varies.
    private int? RecordOverhead
        => ssl.SslProtocol != SslProtocols.Tls13 ? null
            : ssl.NegotiatedCipherSuite == TlsCipherSuite.TLS_AES_128_CCM_8_SHA256 ? 1 + 8 : 1 + 16;

    private void Enter()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _users++;
                return;
            }
        }

        stream.ThrowIfClosedHere();
        throw new IOException("The connection is closed.");
    }

    private void Leave()
    {
        lock (_gate)
        {
            if (--_users > 0 || !_disposed)
                return;
        }

        ssl.Dispose();
    }

    private void End()
    {
        _hasEnded = true;
        IsTruncated = stream.HasEnded;
    }

    // Null: it is the end of the stream, inside a record.
    private IOException? Explain(Exception exception)
    {
        if (stream.HasFailed)
            return exception as IOException ?? new IOException(exception.Message, exception);
        if (_fault is null && stream.HasEnded)
        {
            End();
            return null;
        }

        return _fault ??= TlsHandshake.Explain(exception, stream);
    }

    // After a handshake that failed: the other side may still be reading why. Nothing that it sends is looked at. One receive a wait, so
    // that the reader's owner decides how much of it is enough, and gives others their turn.
    private async ValueTask IgnoreBytesAsync(CancellationToken wake)
    {
        stream.FollowsRecords = false;
        if (_ignoredBytes == 0 && !stream.HasEnded)
            _ignoredBytes = await stream.ReadAsync(Ignored, wake).ConfigureAwait(false);
    }

    private int ReportIgnoredBytes(Span<byte> buffer)
    {
        int count = Math.Min(_ignoredBytes, buffer.Length);
        buffer[..count].Clear();
        _ignoredBytes -= count;
        _hasEnded = count == 0;
        return count;
    }
}
