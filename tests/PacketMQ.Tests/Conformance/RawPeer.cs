using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// A bare TCP socket that plays the other side: writes what it is told and gathers the frames that come back, whatever they are.
/// Every wait is bounded.
/// </summary>
internal sealed class RawPeer : IAsyncDisposable
{
    /// <summary>How long anything in these tests may take before it counts as hung.</summary>
    public static readonly TimeSpan Patience = Bounded.Limit;

    private readonly Socket _socket;
    private readonly Channel<byte[]> _frames = Channel.CreateUnbounded<byte[]>();
    private readonly Task _reading;
    private volatile TaskCompletionSource? _pause;

    private RawPeer(Socket socket)
    {
        _socket = socket;
        _socket.NoDelay = true;
        LocalEndPoint = socket.LocalEndPoint!;
        RemoteEndPoint = socket.RemoteEndPoint!;
        _reading = Task.Run(ReadAsync);
    }

    public EndPoint LocalEndPoint { get; }

    public EndPoint RemoteEndPoint { get; }

    /// <summary>Whether the other side's end was a reset. Known once <see cref="ReadFrameAsync"/> has returned null.</summary>
    public bool WasReset { get; private set; }

    /// <summary>The bytes behind the last whole frame. Known once <see cref="ReadFrameAsync"/> has returned null.</summary>
    public byte[] Rest { get; private set; } = [];

    public static async Task<RawPeer> ConnectAsync(EndPoint endPoint)
    {
        var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(endPoint).WaitAsync(Patience);
        return new RawPeer(socket);
    }

    public static Socket Listen()
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(16);
        return listener;
    }

    public static async Task<RawPeer> AcceptAsync(Socket listener) => new(await listener.AcceptAsync().WaitAsync(Patience));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        using var timeout = new CancellationTokenSource(Patience);
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, timeout.Token)..];
    }

    public async Task SendOneByOneAsync(ReadOnlyMemory<byte> bytes)
    {
        using var timeout = new CancellationTokenSource(Patience);
        for (int i = 0; i < bytes.Length; i++)
            await _socket.SendAsync(bytes.Slice(i, 1), SocketFlags.None, timeout.Token);
    }

    /// <summary>Sends as much as the other side takes: it may refuse, and close, in the middle.</summary>
    public async Task TrySendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await SendAsync(bytes);
        }
        catch (SocketException)
        {
            // It closed; what it sent before is still read.
        }
    }

    /// <summary>The next whole frame; null: the other side has ended its stream, or reset it.</summary>
    public async Task<byte[]?> ReadFrameAsync()
    {
        using var timeout = new CancellationTokenSource(Patience);
        return await _frames.Reader.WaitToReadAsync(timeout.Token) ? await _frames.Reader.ReadAsync(timeout.Token) : null;
    }

    /// <summary>All frames until the other side's end.</summary>
    public async Task<List<byte[]>> ReadToEndAsync()
    {
        var frames = new List<byte[]>();
        while (await ReadFrameAsync() is { } frame)
            frames.Add(frame);
        return frames;
    }

    /// <summary>Whether a frame is there that nobody has read, or the other side has ended.</summary>
    public bool HasNews => _frames.Reader.TryPeek(out _) || _frames.Reader.Completion.IsCompleted;

    /// <summary>Reads nothing more (but for one last buffer), so that the other side can't go on writing for long.</summary>
    public void StopReading() => _pause = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends this side's stream.</summary>
    public void End() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Cuts the connection with a TCP reset.</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _pause?.TrySetResult();
        await _reading;
    }

    private async Task ReadAsync()
    {
        byte[] buffer = new byte[16 * 1024];
        int count = 0;
        try
        {
            while (await _socket.ReceiveAsync(buffer.AsMemory(count)) is var received and > 0)
            {
                count += received;
                int start = 0;
                while (count - start >= 4 && BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start)) + 4 is var size && size <= count - start)
                {
                    _frames.Writer.TryWrite(buffer[start..(start + size)]);
                    start += size;
                }

                buffer.AsSpan(start, count - start).CopyTo(buffer);
                count -= start;
                if (count == buffer.Length)
                    Array.Resize(ref buffer, buffer.Length * 2);
                if (_pause is { } pause)
                    await pause.Task;
            }
        }
        catch (SocketException exception)
        {
            WasReset = exception.SocketErrorCode == SocketError.ConnectionReset;
        }
        catch (ObjectDisposedException)
        {
            // This side is done.
        }

        Rest = buffer[..count];
        _frames.Writer.TryComplete();
    }
}
