using System.IO.Pipelines;

namespace PacketMQ.Transports;

/// <summary>
/// A stream that the user brought along, as any <see cref="IDuplexPipe"/>, which this connection owns. It keeps the promises of
/// a transport as far as the pipe lets it: an abort reaches the other side as the exception that both halves are completed with.
/// <see cref="Abort"/> and <see cref="DisposeAsync"/> may be called from any thread, at once and more than once.
/// </summary>
internal sealed class PipeConnection(IDuplexPipe pipe) : TransportConnection
{
    private readonly AbortablePipeReader _input = new(pipe.Input);
    private readonly AbortablePipeWriter _output = new(pipe.Output);
    private int _disposed;

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override void Abort()
    {
        const string Cause = "The connection was aborted on this side.";
        var farewell = new IOException("The connection was aborted by the other side.");
        _input.End(Cause, farewell, dropsUnconsumedBytes: false);
        _output.End(Cause, farewell);
    }

    public override async ValueTask DisposeAsync()
    {
        const string Cause = "The connection was disposed.";
        _input.End(Cause, null, dropsUnconsumedBytes: true);
        _output.End(Cause, null);
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        if (pipe is IAsyncDisposable asyncDisposable)
            await asyncDisposable.DisposeAsync().ConfigureAwait(false);
        else if (pipe is IDisposable disposable)
            disposable.Dispose();
    }
}
