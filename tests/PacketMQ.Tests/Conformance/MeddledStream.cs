namespace PacketMQ.Tests.Conformance;

/// <summary>The network as an attacker with a proper TLS of its own meddles with it: what it sends is changed, what it reads is taken down.</summary>
/// <param name="inner">The network.</param>
/// <param name="change">Makes of each write, counted from 0, the writes that really happen. Null: they are left alone.</param>
internal sealed class MeddledStream(Stream inner, Func<byte[], int, IEnumerable<byte[]>>? change = null) : Stream
{
    private readonly MemoryStream _read = new();
    private readonly MemoryStream _written = new();
    private int _writes;

    public byte[] ReadBytes => _read.ToArray();

    public byte[] WrittenBytes => _written.ToArray();

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>A network that takes one byte at a time.</summary>
    public static IEnumerable<byte[]> OneByteAWrite(byte[] bytes, int write) => bytes.Select(one => (byte[])[one]);

    /// <summary>The first records, which are not encrypted yet, with one byte of the handshake in each.</summary>
    public static IEnumerable<byte[]> OneByteARecord(byte[] bytes, int write)
    {
        if (write > 0)
            return [bytes];
        var records = new List<byte>();
        for (int at = 0; at < bytes.Length;)
        {
            int end = at + 5 + ((bytes[at + 3] << 8) | bytes[at + 4]);
            if (bytes[at] == 0x16)
                records.AddRange(bytes[(at + 5)..end].SelectMany(one => (byte[])[0x16, 0x03, bytes[at + 2], 0, 1, one]));
            else
                records.AddRange(bytes[at..end]);
            at = end;
        }

        return [records.ToArray()];
    }

    /// <summary>Bytes in plain text, right behind what is sent first.</summary>
    public static Func<byte[], int, IEnumerable<byte[]>> WithBytesBehindTheFirst(byte[] plain) => (bytes, write) => [write == 0 ? [.. bytes, .. plain] : bytes];

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _written.Write(buffer.Span);
        byte[] bytes = buffer.ToArray();
        foreach (byte[] part in change?.Invoke(bytes, _writes++) ?? [bytes])
            await inner.WriteAsync(part, cancellationToken);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int read = await inner.ReadAsync(buffer, cancellationToken);
        _read.Write(buffer.Span[..read]);
        return read;
    }

    public override void Flush() => inner.Flush();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
