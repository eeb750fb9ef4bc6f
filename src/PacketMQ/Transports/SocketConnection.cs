using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Transports;

/// <summary>
/// A connected TCP or Unix domain socket, which it owns. Every failure of <see cref="Input"/> and <see cref="Output"/> is an
/// IOException that tells the first cause. An aborted TCP connection is a reset on the other side; an aborted Unix socket can
/// only be an end of stream there. <see cref="Abort"/> and <see cref="DisposeAsync"/> may be called from any thread, at once and
/// more than once; a slice of received bytes must not outlive a disposal between two reads.
/// </summary>
internal sealed class SocketConnection : TransportConnection
{
    private const int ProtocolTcp = 6;
    private const int LinuxTcpUserTimeout = 18;

    private readonly Socket _socket;
    private readonly SocketFault _fault = new();
    private readonly SocketPipeReader _input;
    private readonly SocketPipeWriter _output;

    public SocketConnection(Socket socket, ArrayPool<byte>? pool = null)
    {
        _socket = socket;
        pool ??= ArrayPool<byte>.Shared;
        if (socket.ProtocolType == ProtocolType.Tcp)
            PrepareTcp(socket);
        // Reader and writer ask the kernel first and wait only when it has nothing to say.
        socket.Blocking = false;
        LocalEndPoint = Unmapped(socket.LocalEndPoint);
        RemoteEndPoint = Unmapped(socket.RemoteEndPoint);
        _input = new SocketPipeReader(socket, _fault, pool);
        _output = new SocketPipeWriter(socket, _fault, pool);
    }

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override EndPoint? LocalEndPoint { get; }

    public override EndPoint? RemoteEndPoint { get; }

    // The system takes more only once a good part of its buffer is free: a slow reader would seem to take nothing for long.
    public override long TakenBytes => TcpInformation.TryGetAcknowledgedBytes(_socket) ?? _output.TakenBytes;

    public override bool TryFindEnd(out IOException? failure)
    {
        failure = null;
        if (_socket.AddressFamily == AddressFamily.Unix)
            return IsRefusedThere();
        if (TcpInformation.IsOver(_socket))
            failure = _fault.Report(SocketError.ConnectionReset);
        return failure is not null || TcpInformation.IsEndedThere(_socket);
    }

    public override void UsePool(ArrayPool<byte> pool)
    {
        _input.UsePool(pool);
        _output.UsePool(pool);
    }

    public override void UseSpin(TimeSpan time)
    {
        if (time > TimeSpan.Zero)
            _input.Spin = new ReceiveSpin(_socket, time);
    }

    /// <summary>The same bytes as a stream, for whoever encrypts them; then <see cref="Input"/> is not used.</summary>
    public SocketStream OpenStream() => new(_socket, _fault, _input, _output);

    public override void Abort()
    {
        _fault.CloseHere("The connection was aborted on this side.");
        // A time-out of zero throws away what was not sent and says RST instead of FIN.
        _socket.Close(timeout: 0);
    }

    public override ValueTask DisposeAsync()
    {
        _input.Close(); // first of all: a read that the rest cuts must not look like the pause between two reads
        _fault.CloseHere("The connection was disposed.");
        _output.Close();
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    // Sends nothing, which Linux refuses once the other end is closed. One that has only ended its own direction still reads.
    private bool IsRefusedThere()
    {
        try
        {
            _socket.Send(ReadOnlySpan<byte>.Empty, SocketFlags.None, out SocketError error);
            return error == SocketError.Shutdown;
        }
        catch (ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>
    /// A peer that vanished without a farewell is noticed by the kernel: an idle one by the probes, one that leaves our bytes
    /// unacknowledged by the user time-out (which the probes alone don't cover, as they wait for the retransmissions). On Linux the user
    /// time-out also says when the probes give up, so that the number of them counts only elsewhere. The worst case is a side that only
    /// listens and whose acknowledgements get lost: its probes begin when the other side has given up, and both together may take 60 s.
    /// </summary>
    private static void PrepareTcp(Socket socket)
    {
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        if (OperatingSystem.IsLinux())
        {
            int milliseconds = 30_000;
            socket.SetRawSocketOption(ProtocolTcp, LinuxTcpUserTimeout,
                System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in milliseconds)));
        }
    }

    /// <summary>A dual-stack listener sees IPv4 peers as mapped addresses; limits per address and logs want the plain one.</summary>
    private static EndPoint? Unmapped(EndPoint? endPoint)
        => endPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped
            ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port)
            : endPoint;
}
