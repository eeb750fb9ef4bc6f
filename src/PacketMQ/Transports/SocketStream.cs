using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace PacketMQ.Transports;

/// <summary>
/// The encrypted side of a TLS connection: a non-blocking socket as the stream that an SslStream reads and writes. It receives straight
/// into the reader's memory; a read of zero bytes waits until there is something to receive. Writes go through the socket's own pipe
/// writer, where the records of one batch gather, so that they leave in one system call: a cancelled one is kept there and never torn, so
/// that the records stay whole. One reader and one writer at a time.
/// </summary>
internal sealed class SocketStream(Socket socket, SocketFault fault, SocketPipeReader reader, SocketPipeWriter writer) : Stream
{
    // A batch of the send queue: four records.
    private const int MostGathered = 64 * 1024;
    private const int RecordBytes = 16 * 1024;

    private bool _keepsWrites;
    private bool _gathers;
    private int _firstCount;
    private TlsRecords _records;
    private DatalessRecords _dataless;
    private volatile bool _isRecordBuffered;
    private bool _isFirstOfWait;

    /// <summary>The first four bytes that came, big-endian; they tell what the other side speaks.</summary>
    public uint FirstBytes { get; private set; }

    /// <summary>How many of the first four bytes have come.</summary>
    public int FirstCount => _firstCount;

    /// <summary>Whether the socket's end of stream was read: who gets an end from TLS before that has got a close_notify.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Whether the socket failed while reading, or was closed here.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Whether the socket failed while writing; what has arrived can still be read.</summary>
    public bool HasFailedToWrite { get; private set; }

    /// <summary>How many bytes of a record have been received whose rest has not arrived. From any thread.</summary>
    public int IncompleteBytes => _records.IncompleteBytes;

    /// <summary>
    /// Whether the SslStream may hold a buffer of its own: from a receive into it, until one of its waits begins with neither a record nor a
    /// part of one. From any thread.
    /// </summary>
    public bool IsRecordBuffered => _isRecordBuffered;

    /// <summary>Whether what comes has to be records of TLS; not once nobody looks at it any more.</summary>
    public bool FollowsRecords { get; set; } = true;

    /// <summary>The handshake is through; what comes without data counts from here on.</summary>
    /// <param name="overhead">How many bytes of each record are neither data nor padding, without the header; null: it varies.</param>
    public void BeginData(int? overhead) => _dataless.Begin(overhead, _records);

    /// <summary>So many bytes came out of what was received.</summary>
    public void NoticeData(int count) => _dataless.NoticeData(count);

    /// <summary>During the handshake: the turn that is given up while the stream waits for the network.</summary>
    public TlsTurn? Turn { get; set; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public void ThrowIfClosedHere()
    {
        if (fault.IsClosedHere)
            throw fault.ToException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!buffer.IsEmpty)
            _isRecordBuffered = true;
        else if (_isFirstOfWait && _records.IncompleteBytes == 0)
            _isRecordBuffered = false;
        _isFirstOfWait = false;
        return !buffer.IsEmpty && TryReceive(buffer.Span, out int count) ? new ValueTask<int>(count) : WaitAndReceiveAsync(buffer, cancellationToken);
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _dataless.NoticeWrite();
        if (!_gathers || writer.UnflushedBytes + buffer.Length > MostGathered)
            return SendAsync(buffer, cancellationToken);
        Keep(buffer.Span);
        return default;
    }

    /// <summary>The SslStream is asked to wait. If it asks for bytes without a buffer first, it has no whole record.</summary>
    /// <param name="mayHaveRecord">Whether it may have one nevertheless, without data: then nothing is known of its buffer.</param>
    public void BeginWait(bool mayHaveRecord)
    {
        _isFirstOfWait = !mayHaveRecord && !_records.HasControl;
        _records.HasControl = false;
    }

    /// <summary>
    /// From here to <see cref="EndGathering"/> records wait for each other, if <paramref name="plainBytes"/> make more than one: a system call
    /// for each, and waking the receiver, costs more than a copy.
    /// </summary>
    public void BeginGathering(int plainBytes)
    {
        _gathers = plainBytes > RecordBytes;
        if (_gathers)
            writer.GetSpan(MostGathered);
    }

    public void EndGathering() => _gathers = false;

    /// <summary>Sends what has gathered.</summary>
    public ValueTask SendGatheredAsync(CancellationToken cancellationToken)
        => writer.UnflushedBytes == 0 ? default : SendAsync(ReadOnlyMemory<byte>.Empty, cancellationToken);

    private ValueTask SendAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken)
    {
        if (_keepsWrites || cancellationToken.IsCancellationRequested)
        {
            _keepsWrites = true;
            Keep(buffer.Span);
            return default;
        }

        ValueTask<FlushResult> write = writer.WriteAsync(buffer, cancellationToken);
        if (!write.IsCompletedSuccessfully)
            return WaitAsync(write, cancellationToken);
        _keepsWrites = write.Result.IsCanceled;
        return default;
    }

    /// <summary>Whether a write was cancelled since the last call: its rest, and what came behind it, is kept and goes out ahead of the next write.</summary>
    public bool TakeCancellation()
    {
        bool wasCancelled = _keepsWrites;
        _keepsWrites = false;
        return wasCancelled;
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> WaitAndReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int count;
        do
        {
            Turn?.End();
            if (Turn is null && buffer.IsEmpty && !cancellationToken.IsCancellationRequested && reader.Spin is { } spin && spin.TryWait(reader: null))
                return 0;
            try
            {
                // Who gives no time to wait still wants to know whether there is something.
                if (cancellationToken.IsCancellationRequested && buffer.IsEmpty && socket.Poll(0, SelectMode.SelectRead))
                    return 0;
                await socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None, cancellationToken).ConfigureAwait(false);
            }
            catch (SocketException exception)
            {
                // To fail costs a good part of a handshake too: an exception on its way through an SslStream.
                if (Turn is not null)
                    await Turn.BeginAsync().ConfigureAwait(false);
                throw Failed(fault.Report(exception));
            }
            catch (ObjectDisposedException)
            {
                throw Failed(fault.ToException());
            }

            if (Turn is not null)
                await Turn.BeginAsync().ConfigureAwait(false);
            if (buffer.IsEmpty)
                return 0;
        }
        while (!TryReceive(buffer.Span, out count));
        return count;
    }

    private bool TryReceive(Span<byte> buffer, out int count)
    {
        SocketError error;
        if (FollowsRecords)
            buffer = buffer[.._dataless.Admit(buffer.Length, _records)];
        try
        {
            count = socket.Receive(buffer, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            throw Failed(fault.ToException());
        }

        if (error == SocketError.WouldBlock)
            return false;
        if (error != SocketError.Success)
            throw Failed(fault.Report(error));
        if (count == 0)
        {
            try
            {
                fault.ThrowUnlessEnded(socket);
            }
            catch (IOException exception)
            {
                throw Failed(exception);
            }

            HasEnded = true;
        }

        if (FollowsRecords)
        {
            _records.Take(buffer[..count]);
            _dataless.Take(count, _records);
        }

        for (int i = 0; _firstCount < sizeof(uint) && i < count; i++)
            (FirstBytes, _firstCount) = (FirstBytes | ((uint)buffer[i] << (24 - (8 * _firstCount))), _firstCount + 1);
        return true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask WaitAsync(ValueTask<FlushResult> write, CancellationToken cancellationToken)
    {
        Turn?.End();
        try
        {
            FlushResult result = await write.ConfigureAwait(false);
            _keepsWrites = result.IsCanceled;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            _keepsWrites = true; // the writer has kept the rest
        }
        catch (IOException)
        {
            HasFailedToWrite = true;
            throw;
        }

        if (Turn is not null)
            await Turn.BeginAsync().ConfigureAwait(false);
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(writer.GetSpan(bytes.Length));
        writer.Advance(bytes.Length);
    }

    private IOException Failed(IOException exception)
    {
        HasFailed = true;
        return exception;
    }
}
