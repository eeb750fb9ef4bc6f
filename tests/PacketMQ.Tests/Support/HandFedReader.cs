using System.Buffers;
using System.IO.Pipelines;

namespace PacketMQ.Tests.Support;

/// <summary>Gives bytes only when a test says so, and tells for certain whether whoever reads them wants more.</summary>
internal sealed class HandFedReader(byte[] bytes) : PipeReader
{
    private TaskCompletionSource<ReadResult>? _read;
    private int _feeder; // the thread that is inside of FeedAsync
    private bool _wasAskedInside;
    private int _consumed;

    /// <summary>How many bytes were given.</summary>
    public int Fed { get; private set; }

    /// <summary>Whether a read waits.</summary>
    public bool IsAsked => Volatile.Read(ref _read) is not null;

    /// <summary>
    /// Completes the read that waits. If the reader had reached its wait, it goes on in here, up to the next one. Then the result is the truth,
    /// and the reader has reached its wait again if that is <see langword="true"/>.
    /// </summary>
    /// <returns>Whether the reader has asked for more in here.</returns>
    public Task<bool> FeedAsync(int count)
        => Task.Run(() => // without the test's own context, in which nothing would go on at once
        {
            Fed += count;
            _wasAskedInside = false;
            Volatile.Write(ref _feeder, Environment.CurrentManagedThreadId);
            Interlocked.Exchange(ref _read, null)!.SetResult(Result(isCanceled: false));
            Volatile.Write(ref _feeder, 0);
            return _wasAskedInside;
        });

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        var read = new TaskCompletionSource<ReadResult>(); // what waits for it goes on at once, on purpose
        _wasAskedInside |= Volatile.Read(ref _feeder) == Environment.CurrentManagedThreadId;
        Volatile.Write(ref _read, read);
        return new(read.Task);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => _consumed = consumed.GetInteger();

    public override void CancelPendingRead() => Interlocked.Exchange(ref _read, null)?.SetResult(Result(isCanceled: true));

    public override void Complete(Exception? exception = null)
    {
    }

    public override bool TryRead(out ReadResult result) => throw new NotSupportedException();

    private ReadResult Result(bool isCanceled)
        => new(new ReadOnlySequence<byte>(bytes, _consumed, Fed - _consumed), isCanceled, isCompleted: false);
}
