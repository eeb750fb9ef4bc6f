using System.Buffers.Binary;
using System.IO.Pipelines;

namespace PacketMQ.Tests.Support;

/// <summary>Takes bytes only while it is open.</summary>
internal sealed class GatedWriter : PipeWriter
{
    private readonly Lock _gate = new();
    private readonly List<byte> _bytes = [];
    private readonly TaskCompletionSource _opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _blocked = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Blocked => _blocked.Task;

    public bool IsOpen
    {
        get => _opened.Task.IsCompleted;
        set => _opened.TrySetResult();
    }

    public int Writes { get; private set; }

    public int LargestWrite { get; private set; }

    public int Length
    {
        get
        {
            lock (_gate)
                return _bytes.Count;
        }
    }

    public byte[] Bytes
    {
        get
        {
            lock (_gate)
                return [.. _bytes];
        }
    }

    public void Fail() => _opened.TrySetException(new IOException("The wire is cut."));

    public List<(byte Id, byte[] Payload)> Frames()
    {
        var frames = new List<(byte, byte[])>();
        for (byte[] rest = Bytes; rest.Length > 0;)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(rest);
            frames.Add((rest[5], rest[6..(4 + length)]));
            rest = rest[(4 + length)..];
        }

        return frames;
    }

    public override async ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        if (!IsOpen)
            _blocked.TrySetResult();
        await _opened.Task;
        lock (_gate)
        {
            Writes++;
            LargestWrite = Math.Max(LargestWrite, source.Length);
            _bytes.AddRange(source.Span);
        }

        return default;
    }

    public override void Advance(int bytes) => throw new NotSupportedException();

    public override Memory<byte> GetMemory(int sizeHint = 0) => throw new NotSupportedException();

    public override Span<byte> GetSpan(int sizeHint = 0) => throw new NotSupportedException();

    public override void CancelPendingFlush() => throw new NotSupportedException();

    public override void Complete(Exception? exception = null)
    {
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
}
