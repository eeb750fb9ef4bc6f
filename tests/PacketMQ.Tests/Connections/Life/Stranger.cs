using System.Buffers;
using PacketMQ.Serialization;
using PacketMQ.Tests.Support;
using PacketMQ.Wire;

namespace PacketMQ.Tests.Connections.Life;

/// <summary>A client made of bytes, that keeps what it is told and ends its stream when the server has.</summary>
internal sealed class Stranger : IAsyncDisposable
{
    private const int WireId = 17;

    private readonly RawEnd _raw;
    private readonly List<string> _log = [];
    private readonly Task _reading;

    public Stranger(RawEnd raw)
    {
        _raw = raw;
        _reading = ReadAsync();
    }

    public string[] Log
    {
        get
        {
            lock (_log)
                return [.. _log];
        }
    }

    public async Task SayAsync(Arrival arrival)
    {
        switch (arrival)
        {
            case Arrival.Handshake:
                await _raw.WriteAsync(PeerBytes.Handshake(true, (Registries.Name, WireId)));
                break;
            case Arrival.Packet packet:
                var payload = new ArrayBufferWriter<byte>();
                DynamicCodec.Write(payload, LifeRun.Data(packet.Number, packet.Wish));
                await _raw.WriteAsync(RawEnd.Frame(WireId, payload.WrittenSpan.ToArray()));
                break;
            case Arrival.SoftQuit quit:
                await _raw.WriteAsync(RawEnd.SoftQuit(quit.Reason));
                break;
            case Arrival.BadFrame:
                await _raw.WriteAsync(0, 0, 0, 1);
                break;
            case Arrival.End end:
                if (end.IsInsideFrame)
                    await _raw.WriteAsync(0, 0, 0);
                await _raw.EndAsync();
                break;
        }
    }

    public void Cut() => _raw.Abort();

    public async ValueTask DisposeAsync()
    {
        await _raw.DisposeAsync();
        await _reading.Soon();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await _raw.ReadFrameAsync() is { } frame)
            {
                var payload = new ReadOnlySequence<byte>(frame.Payload);
                if (frame.PacketId == WireId)
                    Add($"got {LifeRun.Read(DynamicCodec.Read(payload, maxExpansion: null)).Number}");
                else if (frame.PacketId == WireProtocol.SoftQuitId)
                    Add($"told {ControlPackets.ReadSoftQuit(payload)}");
            }

            await _raw.EndAsync();
        }
        catch (Exception exception) when (exception is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // One of the two has cut it.
        }
    }

    private void Add(string line)
    {
        lock (_log)
            _log.Add(line);
    }
}
