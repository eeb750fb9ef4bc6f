using System.Buffers;
using System.Buffers.Binary;
using PacketMQ.Serialization;

namespace PacketMQ;

/// <summary>
/// A packet of opaque bytes (msgpack BIN): nothing is decoded, nothing is copied on arrival, nothing is allocated. The handler gets
/// a view of the receive buffer, which is valid until the handler's task completes.
/// </summary>
/// <remarks>Send with <see cref="Connection.SendAsync(BinaryPacket, ReadOnlyMemory{byte}, CancellationToken)"/>. STR is accepted on arrival as well.</remarks>
public sealed class BinaryPacket : Packet<ReadOnlySequence<byte>>
{
    /// <summary>The longest header of a BIN value, in bytes.</summary>
    internal const int MaxHeaderLength = 5;

    /// <summary>Makes a packet with a handler that completes at once.</summary>
    /// <param name="handler">Called with the bytes and their context for each packet that arrives.</param>
    public BinaryPacket(Action<ReadOnlySequence<byte>, PacketContext> handler)
        : base(asyncHandler: null, handler)
        => ArgumentNullException.ThrowIfNull(handler);

    /// <summary>Makes a packet with a handler that completes later.</summary>
    /// <inheritdoc cref="BinaryPacket(Action{ReadOnlySequence{byte}, PacketContext})"/>
    public BinaryPacket(Func<ReadOnlySequence<byte>, PacketContext, ValueTask> handler)
        : base(handler, handler: null)
        => ArgumentNullException.ThrowIfNull(handler);

    /// <summary>Makes a packet that only sends.</summary>
    public BinaryPacket()
        : base(asyncHandler: null, handler: null)
    {
    }

    /// <summary>Takes bytes in whatever they come in: a sender that has the packet's name only gives an object.</summary>
    internal override void Encode(object? data, PacketContext context, IBufferWriter<byte> payload)
        => base.Encode(
            data switch
            {
                byte[] bytes => new ReadOnlySequence<byte>(bytes),
                ReadOnlyMemory<byte> bytes => new ReadOnlySequence<byte>(bytes),
                Memory<byte> bytes => new ReadOnlySequence<byte>(bytes),
                _ => data,
            }, context, payload);

    /// <inheritdoc/>
    protected internal override void OnEncode(ReadOnlySequence<byte> data, IBufferWriter<byte> payload)
    {
        ArgumentNullException.ThrowIfNull(payload);
        if (data.Length > int.MaxValue)
            throw new PacketException($"{data.Length} bytes do not fit into one packet.");
        Span<byte> header = stackalloc byte[MaxHeaderLength];
        payload.Write(header[..WriteHeader(header, (int)data.Length)]);
        foreach (ReadOnlyMemory<byte> part in data)
            payload.Write(part.Span);
    }

    /// <inheritdoc/>
    protected internal override ReadOnlySequence<byte> OnDecode(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, PacketContext context)
        => payload.Slice(ReadHeaderLength(payload.FirstSpan[0])); // a payload is never empty

    /// <summary>The hooks of a sealed packet are known: this is what they come to, without cutting a sequence to size.</summary>
    internal override ValueTask ReceiveAsync(ArraySegment<byte> payload, bool hasBinaryKeys, PacketContext context)
    {
        int header = ReadHeaderLength(payload.Array![payload.Offset]);
        return OnReceiveAsync(new ReadOnlySequence<byte>(payload.Array, payload.Offset + header, payload.Count - header), context);
    }

    private static int ReadHeaderLength(byte code) => code switch
    {
        0xc4 or 0xd9 => 2,
        0xc5 or 0xda => 3,
        0xc6 or 0xdb => 5,
        >= 0xa0 and <= 0xbf => 1, // fixstr
        _ => throw new PayloadException(CloseReason.TypeMismatch, $"Bytes (BIN or STR) were expected, a value that begins with 0x{code:x2} came."),
    };

    /// <summary>How long the shortest BIN header for <paramref name="length"/> bytes is.</summary>
    internal static int GetHeaderLength(int length) => length <= byte.MaxValue ? 2 : length <= ushort.MaxValue ? 3 : 5;

    /// <summary>Writes the shortest BIN header for <paramref name="length"/> bytes and returns its own length.</summary>
    internal static int WriteHeader(Span<byte> header, int length)
    {
        switch (length)
        {
            case <= byte.MaxValue:
                header[0] = 0xc4;
                header[1] = (byte)length;
                return 2;
            case <= ushort.MaxValue:
                header[0] = 0xc5;
                BinaryPrimitives.WriteUInt16BigEndian(header[1..], (ushort)length);
                return 3;
            default:
                header[0] = 0xc6;
                BinaryPrimitives.WriteInt32BigEndian(header[1..], length);
                return 5;
        }
    }
}
