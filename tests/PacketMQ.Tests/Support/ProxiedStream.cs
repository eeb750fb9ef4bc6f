using System.Net.Sockets;

namespace PacketMQ.Tests.Support;

/// <summary>One connection through a <see cref="ChaosProxy"/>.</summary>
internal sealed class ProxiedStream : IAsyncDisposable
{
    private readonly Socket _client;
    private readonly Socket _server;
    private readonly Fault? _fault;
    private readonly Func<int>? _sliceSize;
    private readonly bool _isTls;
    private readonly TaskCompletionSource _hit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _clientSpoke = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _serverSpoke = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<int>[] _frames = [[], []];
    private readonly Task _pumping;

    public ProxiedStream(Socket client, Socket server, Fault? fault, Func<int>? sliceSize, bool isTls)
    {
        (_client, _server, _fault, _sliceSize, _isTls) = (client, server, fault, sliceSize, isTls);
        client.NoDelay = server.NoDelay = true;
        _pumping = PumpBothAsync();
    }

    /// <summary>The fault has happened.</summary>
    public Task Hit => _hit.Task;

    /// <summary>The sizes of the frames that have passed, their lengths included. Ask when the connection has ended.</summary>
    public IReadOnlyList<int> Frames(Way way) => _frames[(int)way];

    /// <summary>Ends a <see cref="FaultKind.Stall"/>.</summary>
    public void Release() => _released.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        Release();
        _clientSpoke.TrySetResult();
        _serverSpoke.TrySetResult();
        _client.Dispose();
        _server.Dispose();
        await _pumping;
    }

    private async Task PumpBothAsync()
    {
        await Task.WhenAll(
            Task.Run(() => PumpAsync(Way.ToServer, _client, _server, _clientSpoke)),
            Task.Run(() => PumpAsync(Way.ToClient, _server, _client, _serverSpoke)));
        // A long run would have no descriptors left.
        _client.Dispose();
        _server.Dispose();
    }

    private async Task PumpAsync(Way way, Socket from, Socket to, TaskCompletionSource spoke)
    {
        Fault? fault = _fault?.Way == way ? _fault : null;
        byte[] buffer = new byte[16 * 1024];
        var place = new FramePlace(_frames[(int)way], _isTls);
        try
        {
            int start = 0;
            int count = 0;
            while (true)
            {
                int flipped = 0;
                if (fault is not null && place.Is(fault))
                {
                    switch (fault.Kind)
                    {
                        case FaultKind.Flip:
                            flipped = 1 << fault.Bit;
                            break;
                        case FaultKind.Stall:
                            _hit.TrySetResult();
                            await _released.Task;
                            break;
                        case FaultKind.Reset:
                            // Before both have begun there is no connection that could be reset.
                            await Task.WhenAll(HearAsync(from, spoke), (way == Way.ToServer ? _serverSpoke : _clientSpoke).Task);
                            _hit.TrySetResult();
                            Reset();
                            return;
                        default:
                            if (fault.Kind == FaultKind.End)
                                to.Shutdown(SocketShutdown.Send);
                            _hit.TrySetResult();
                            while (await from.ReceiveAsync(buffer) > 0)
                                spoke.TrySetResult();
                            return;
                    }

                    fault = null;
                }

                if (start == count)
                {
                    (start, count) = (0, await from.ReceiveAsync(buffer));
                    if (count == 0)
                    {
                        to.Shutdown(SocketShutdown.Send);
                        return;
                    }

                    spoke.TrySetResult();
                }

                int piece = place.Pass(buffer.AsSpan(start, count - start), fault, _sliceSize?.Invoke() ?? int.MaxValue);
                if (flipped != 0)
                {
                    buffer[start] ^= (byte)flipped;
                    _hit.TrySetResult();
                }

                for (int end = start + piece; start < end;)
                    start += await to.SendAsync(buffer.AsMemory(start, end - start));
            }
        }
        catch (SocketException)
        {
            Reset(); // an end that was reset resets the other
        }
        catch (ObjectDisposedException)
        {
            // The test is over, or the other direction was reset.
        }
        finally
        {
            spoke.TrySetResult();
        }
    }

    private async Task HearAsync(Socket socket, TaskCompletionSource spoke)
    {
        if (!spoke.Task.IsCompleted)
            await socket.ReceiveAsync(Memory<byte>.Empty); // there is something
    }

    private void Reset()
    {
        foreach (Socket socket in new[] { _client, _server })
            socket.Close(timeout: 0); // a reset
    }

    /// <summary>Where a stream has got to.</summary>
    private struct FramePlace(List<int> frames, bool isTls)
    {
        // A record of TLS: its type, two bytes of a version, two of the length. A frame: four of the length.
        private readonly int _lengthAt = isTls ? 3 : 0;
        private readonly int _headerBytes = isTls ? 5 : 4;
        private int _byte;
        private long _length;

        public readonly bool Is(Fault fault) => frames.Count == fault.Frame && _byte == fault.Byte;

        /// <summary>Goes over bytes, at most <paramref name="most"/> and at most to the fault. How many.</summary>
        public int Pass(ReadOnlySpan<byte> bytes, Fault? fault, int most)
        {
            int count = 0;
            do
            {
                if (_byte >= _lengthAt && _byte < _headerBytes)
                    _length = (_length << 8) | bytes[count];
                _byte++;
                count++;
                if (_byte >= _headerBytes && _byte == _length + _headerBytes)
                {
                    frames.Add(_byte);
                    (_byte, _length) = (0, 0);
                }
            }
            while (count < bytes.Length && count < most && (fault is null || !Is(fault)));
            return count;
        }
    }
}
