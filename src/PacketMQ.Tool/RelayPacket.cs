using System.Buffers;

namespace PacketMQ.Tool;

/// <summary>A value that came over the wire, with its bytes, so that it can go back as it came.</summary>
/// <param name="Value">The dynamic value.</param>
/// <param name="Payload">The msgpack bytes it was read from.</param>
internal sealed record ReceivedValue(object? Value, ReadOnlyMemory<byte> Payload);

/// <summary>A dynamic packet that hands what arrives to a delegate, and sends a <see cref="ReceivedValue"/> on byte for byte.</summary>
/// <param name="show">Called for each packet that arrives.</param>
internal sealed class RelayPacket(Func<ReceivedValue, PacketContext, ValueTask> show) : Packet
{
    /// <inheritdoc/>
    protected override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context)
        => new ReceivedValue(base.OnDecode(payload, context), payload.ToArray());

    /// <inheritdoc/>
    protected override void OnEncode(object? data, IBufferWriter<byte> payload)
    {
        if (data is ReceivedValue received)
            payload.Write(received.Payload.Span);
        else
            base.OnEncode(data, payload);
    }

    /// <inheritdoc/>
    protected override ValueTask OnReceiveAsync(object? data, PacketContext context) => show((ReceivedValue)data!, context);
}
