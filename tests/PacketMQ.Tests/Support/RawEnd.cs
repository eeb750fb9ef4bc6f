using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using PacketMQ.Transports;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Support;

/// <summary>A client that a test plays by hand, byte by byte if it wants to: it can do all that a good peer never does.</summary>
internal sealed class RawEnd : IAsyncDisposable
{
    private readonly TransportConnection _transport;
    private readonly ArrayBufferWriter<byte> _output = new();
    private byte[] _unread = [];

    private RawEnd(TransportConnection transport) => _transport = transport;

    public static async Task<RawEnd> OpenAsync(PeerPair pair) => new(await pair.OpenRawAsync());

    /// <summary>Opens it and goes through the handshake as a client that adapts.</summary>
    public static async Task<RawEnd> ConnectAsync(PeerPair pair, params string[] names)
    {
        RawEnd end = await OpenAsync(pair);
        await end.ShakeHandsAsync(names.Length == 0 ? [Registries.Name] : names);
        return end;
    }

    public static byte[] Frame(int packetId, params byte[] payload)
    {
        byte[] frame = new byte[6 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, 2 + payload.Length);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(4), (ushort)packetId);
        payload.CopyTo(frame, 6);
        return frame;
    }

    public static byte[] SoftQuit(CloseReason reason)
    {
        var output = new ArrayBufferWriter<byte>();
        ControlPackets.WriteSoftQuit(output, reason);
        return output.WrittenSpan.ToArray();
    }

    public Task WriteAsync(params byte[] bytes) => _transport.Output.WriteAsync(bytes).Soon();

    /// <summary>Ends the own direction between two frames, or wherever the bytes have got to.</summary>
    public Task EndAsync() => _transport.Output.CompleteAsync().Soon();

    public void Abort() => _transport.Abort();

    /// <summary>The next frame; null at the end of the stream.</summary>
    public async Task<(int PacketId, byte[] Payload)?> ReadFrameAsync()
    {
        while (true)
        {
            if (_unread.Length >= 4 && BinaryPrimitives.ReadInt32BigEndian(_unread) is var length && _unread.Length >= 4 + length)
            {
                byte[] frame = _unread[..(4 + length)];
                _unread = _unread[(4 + length)..];
                return (BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(4)), frame[6..]);
            }

            if (!await ReadMoreAsync())
            {
                Assert.Empty(_unread);
                return null;
            }
        }
    }

    /// <summary>Reads on until the stream ends; what the softquit said, if there was one.</summary>
    public async Task<CloseReason?> ReadSoftQuitAsync()
    {
        CloseReason? reason = null;
        while (await ReadFrameAsync() is { } frame)
        {
            if (frame.PacketId == WireProtocol.SoftQuitId)
                reason = ControlPackets.ReadSoftQuit(new ReadOnlySequence<byte>(frame.Payload));
        }

        return reason;
    }

    public async Task ShakeHandsAsync(params string[] names)
    {
        var session = new Session(new Contract(true, [.. names.Select((name, i) => new PacketDeclaration(name, 2_000 + i))]), new SessionLimits());
        session.Start(_output);
        await FlushAsync();
        while (session.State != SessionState.Active)
        {
            Assert.True(await ReadMoreAsync(), "The stream ended inside the handshake.");
            var input = new ReadOnlySequence<byte>(_unread);
            while (session.TryRead(ref input, _output, out SessionEvent read))
                Assert.Equal(SessionEventKind.Activated, read.Kind);
            _unread = input.ToArray();
            await FlushAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _transport.Abort();
        await _transport.DisposeAsync();
    }

    private async Task FlushAsync()
    {
        await WriteAsync(_output.WrittenSpan.ToArray());
        _output.ResetWrittenCount();
    }

    private async Task<bool> ReadMoreAsync()
    {
        ReadResult read = await _transport.Input.ReadAsync().Soon();
        _unread = [.. _unread, .. read.Buffer.ToArray()];
        _transport.Input.AdvanceTo(read.Buffer.End);
        return !(read.IsCompleted && read.Buffer.IsEmpty);
    }
}
