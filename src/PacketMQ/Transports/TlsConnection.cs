using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Security;

namespace PacketMQ.Transports;

/// <summary>
/// TLS from the first byte over a socket, which it owns. What it promises is what <see cref="SocketConnection"/> promises, once
/// <see cref="OpenAsync"/> is through. Both directions end with a close_notify before the FIN; one without is <see cref="IsTruncated"/>.
/// <see cref="Abort"/> and <see cref="DisposeAsync"/> may be called from any thread, at once and more than once.
/// </summary>
internal sealed class TlsConnection : TransportConnection
{
    // What an SslStream takes of the common pool as soon as one byte has come, for the largest record and a part of the next.
    private const int RecordBufferBytes = 32 * 1024;

    private readonly SocketConnection _socket;
    private readonly TlsHandshake _handshake;
    private readonly TlsSession _session;
    private readonly TlsPipeReader _input;
    private readonly TlsPipeWriter _output;

    public TlsConnection(SocketConnection socket, TlsHandshake handshake, ArrayPool<byte>? pool = null)
    {
        _socket = socket;
        _handshake = handshake;
        pool ??= ArrayPool<byte>.Shared;
        SocketStream stream = socket.OpenStream();
        _session = new TlsSession(new SslStream(stream, leaveInnerStreamOpen: true), stream);
        _input = new TlsPipeReader(_session, pool);
        _output = new TlsPipeWriter(_session, socket.Output, pool);
    }

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override EndPoint? LocalEndPoint => _socket.LocalEndPoint;

    public override EndPoint? RemoteEndPoint => _socket.RemoteEndPoint;

    public override long TakenBytes => _socket.TakenBytes;

    public override int IncompleteBytes => _session.Stream.IncompleteBytes;

    public override int UnpooledBytes => _session.Stream.IsRecordBuffered ? RecordBufferBytes : 0;

    public override void ReleaseUnpooledBytes()
    {
        if (UnpooledBytes > 0 && IncompleteBytes == 0)
            _input.RenewWait();
    }

    public override TlsDetails? Tls => _session.IsOpen ? _handshake.Details : null;

    public override bool IsTruncated => _session.IsTruncated;

    public override bool TryFindEnd(out IOException? failure) => _socket.TryFindEnd(out failure);

    public override void UsePool(ArrayPool<byte> pool)
    {
        _socket.UsePool(pool);
        _input.UsePool(pool);
    }

    public override void UseSpin(TimeSpan time) => _socket.UseSpin(time);

    public override Task<IOException?> OpenAsync() => _session.OpenAsync(_handshake);

    public override void Abort() => _socket.Abort();

    public override async ValueTask DisposeAsync()
    {
        _input.Close(); // first of all: a read that the rest cuts must not look like the pause between two reads
        _output.Close();
        await _socket.DisposeAsync().ConfigureAwait(false);
        _session.Dispose();
    }
}
