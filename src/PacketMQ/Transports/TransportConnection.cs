using System.Buffers;
using System.IO.Pipelines;
using System.Net;

namespace PacketMQ.Transports;

/// <summary>
/// One byte stream in both directions: all that a transport hands over. The reader keeps unconsumed bytes where they are (it
/// chains segments, it never moves them), so that a payload stays valid while more is read. Completing <see cref="Output"/> ends
/// the own direction only (a FIN); <see cref="Abort"/> cuts both at once (a RST); disposing frees everything.
/// </summary>
internal abstract class TransportConnection : IDuplexPipe, IAsyncDisposable
{
    public abstract PipeReader Input { get; }

    public abstract PipeWriter Output { get; }

    public virtual EndPoint? LocalEndPoint => null;

    public virtual EndPoint? RemoteEndPoint => null;

    /// <summary>Gives the pool for the buffers of this connection, if the transport has any of its own. Called before anything is read.</summary>
    public virtual void UsePool(ArrayPool<byte> pool)
    {
    }

    /// <summary>How long a read asks for bytes before it waits for them, if the transport can do that. Called before anything is read.</summary>
    public virtual void UseSpin(TimeSpan time)
    {
    }

    /// <summary>
    /// How many bytes the other side has taken of <see cref="Output"/>, or if that is not known the system: progress within a write that waits.
    /// 0 if nobody counts. From any thread.
    /// </summary>
    public virtual long TakenBytes => 0;

    /// <summary>
    /// How many bytes have arrived of what the transport itself sends in pieces, such as a TLS record, while the rest of it is missing and
    /// <see cref="Input"/> shows none of it. From any thread.
    /// </summary>
    public virtual int IncompleteBytes => 0;

    /// <summary>How many bytes of memory it holds at the moment for what has arrived, beside what it has of the pool. From any thread.</summary>
    public virtual int UnpooledBytes => 0;

    /// <summary>Gives <see cref="UnpooledBytes"/> back, soon, if they are held though nothing has begun to arrive. From any thread.</summary>
    public virtual void ReleaseUnpooledBytes()
    {
    }

    /// <summary>How the stream is encrypted; null before <see cref="OpenAsync"/> is through, and for a stream in plain text.</summary>
    public virtual TlsDetails? Tls => null;

    /// <summary>Whether the other side's stream has ended in a way that anybody on the network could have brought about.</summary>
    public virtual bool IsTruncated => false;

    /// <summary>
    /// Looks whether the other side is still there, for who does not read at the moment. From any thread, while this side has not ended its own
    /// direction.
    /// </summary>
    /// <param name="failure">Why the stream was cut, if it was.</param>
    /// <returns>
    /// Whether the other side's stream has ended, or was cut. False if that is not known: outside Linux, on the streams of others, and on a Unix
    /// socket whose other end still reads.
    /// </returns>
    public virtual bool TryFindEnd(out IOException? failure)
    {
        failure = null;
        return false;
    }

    /// <summary>
    /// The transport's own handshake, before the first read and write. Called once. When it has failed, the stream can still be ended
    /// in order: <see cref="Output"/> completed, <see cref="Input"/> read to its end; what is read then has a length and no meaning.
    /// </summary>
    /// <returns>
    /// Why it failed: a <see cref="TlsFault"/>, or an error of the stream; null if it is through. It is not thrown: strangers decide how often that
    /// happens, and each method that an exception passes costs time and memory.
    /// </returns>
    public virtual Task<IOException?> OpenAsync() => Task.FromResult<IOException?>(null);

    /// <summary>Cuts the stream without a farewell. Pending reads and writes end at once. May be called from any thread, more than once.</summary>
    public abstract void Abort();

    public abstract ValueTask DisposeAsync();
}
