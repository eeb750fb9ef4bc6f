using System.Globalization;
using System.IO.Pipelines;
using System.Net;

namespace PacketMQ.Transports;

/// <summary>
/// One end of a connection inside this process: two bounded pipes, crossed. Neither side ever runs the other's continuations.
/// An abort makes both sides fail at once, whatever is still under way. <see cref="Abort"/> and <see cref="DisposeAsync"/> may be
/// called from any thread, at once and more than once.
/// </summary>
internal sealed class MemoryConnection : TransportConnection
{
    private static readonly PipeOptions Options = new(
        readerScheduler: PipeScheduler.ThreadPool,
        writerScheduler: PipeScheduler.ThreadPool,
        pauseWriterThreshold: 64 * 1024,
        resumeWriterThreshold: 32 * 1024,
        useSynchronizationContext: false);

    private static int _pairs;

    private readonly AbortablePipeReader _input;
    private readonly AbortablePipeWriter _output;
    private MemoryConnection _other;
    private int _ended;

    private MemoryConnection(PipeReader input, PipeWriter output, EndPoint local, EndPoint remote)
    {
        _input = new AbortablePipeReader(input);
        _output = new AbortablePipeWriter(output);
        LocalEndPoint = local;
        RemoteEndPoint = remote;
        _other = this;
    }

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override EndPoint LocalEndPoint { get; }

    public override EndPoint RemoteEndPoint { get; }

    public static (TransportConnection First, TransportConnection Second) CreatePair()
    {
        string number = Interlocked.Increment(ref _pairs).ToString(CultureInfo.InvariantCulture);
        var there = new Pipe(Options);
        var back = new Pipe(Options);
        var firstEndPoint = new MemoryEndPoint(number + "a");
        var secondEndPoint = new MemoryEndPoint(number + "b");
        var first = new MemoryConnection(back.Reader, there.Writer, firstEndPoint, secondEndPoint);
        var second = new MemoryConnection(there.Reader, back.Writer, secondEndPoint, firstEndPoint);
        (first._other, second._other) = (second, first);
        return (first, second);
    }

    public override void Abort()
    {
        // What a disposed end has sent is still the other side's to read.
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            return;
        End("The connection was aborted on this side.");
        _other.End("The connection was reset by the other side.");
    }

    /// <summary>The other side reads to the end of what was sent, and then the end of the stream.</summary>
    public override ValueTask DisposeAsync()
    {
        const string Cause = "The connection was disposed.";
        Interlocked.Exchange(ref _ended, 1);
        _input.End(Cause, null, dropsUnconsumedBytes: true);
        _output.End(Cause, null);
        return ValueTask.CompletedTask;
    }

    private void End(string cause)
    {
        var farewell = new IOException(cause);
        _input.End(cause, farewell, dropsUnconsumedBytes: false);
        _output.End(cause, farewell);
    }
}
