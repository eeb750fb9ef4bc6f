using System.Buffers;
using PacketMQ.Serialization;

namespace PacketMQ;

/// <summary>
/// A kind of packet: what is done with its data when it is sent and when it arrives. Derive from it and override the hooks, or
/// make one from a delegate with <see cref="Create(Func{object, PacketContext, ValueTask})"/>. This class carries dynamic data
/// (any mix of the values below); <see cref="Packet{T}"/> carries one .NET type and is faster.
/// </summary>
/// <remarks>
/// <para>Sending calls <see cref="OnSend"/>, then <see cref="OnEncode"/>, on the sender's thread; several senders may be in them at
/// once. Arrival calls <see cref="OnDecode"/>, then <see cref="OnReceiveAsync"/>: for one connection in order and one at a time,
/// for different connections side by side. One object may serve many connections and registries.</para>
/// <para>Dynamic data: <see langword="null"/>, <see cref="bool"/>, integers (arrive as <see cref="long"/>, or <see cref="ulong"/> above its
/// range), <see cref="float"/>, <see cref="double"/>, <see cref="string"/> (msgpack STR), <c>byte[]</c> (BIN), arrays (arrive as
/// <c>object?[]</c>), maps (arrive as a <see cref="PacketMap"/>, in which a number is found whatever its integer type, and a string also
/// under a BIN key), <see cref="DateTime"/> (timestamps) and <see cref="PacketExtension"/>.</para>
/// </remarks>
public abstract class Packet
{
    /// <summary>Makes a dynamic packet from a handler that completes later.</summary>
    /// <param name="handler">Called with the data and its context for each packet that arrives.</param>
    public static Packet Create(Func<object?, PacketContext, ValueTask> handler) => new DelegatePacket(handler);

    /// <summary>Makes a dynamic packet from a handler that completes at once.</summary>
    /// <inheritdoc cref="Create(Func{object, PacketContext, ValueTask})"/>
    public static Packet Create(Action<object?, PacketContext> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return new DelegatePacket((data, context) =>
        {
            handler(data, context);
            return default;
        });
    }

    /// <summary>Called first when a packet is sent: may check the data, change it or give other data. An exception reaches the sender and nothing is sent.</summary>
    /// <param name="data">What the sender gave.</param>
    /// <param name="context">The receiving connection and the packet's name.</param>
    /// <returns>What is encoded.</returns>
    protected internal virtual object? OnSend(object? data, PacketContext context) => data;

    /// <summary>Turns the data into the payload: exactly one msgpack value. An exception reaches the sender and nothing is sent.</summary>
    /// <param name="data">What <see cref="OnSend"/> returned.</param>
    /// <param name="payload">Takes the bytes; bounded by what the other side accepts.</param>
    protected internal virtual void OnEncode(object? data, IBufferWriter<byte> payload) => DynamicCodec.Write(payload, data);

    /// <summary>Turns a payload into data. An exception means that the payload does not fit: see <see cref="PeerOptions.UnfitPayload"/>.</summary>
    /// <param name="payload">Exactly one well-formed msgpack value within the peer's limits. Valid during the call only.</param>
    /// <param name="context">Where it came from.</param>
    protected internal virtual object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context)
        => DynamicCodec.Read(payload, context.MaxDynamicExpansion, context.Connection);

    /// <summary>Handles a packet that arrived. The connection's next packet waits until the returned task completes.</summary>
    /// <param name="data">What <see cref="OnDecode"/> returned.</param>
    /// <param name="context">Where it came from, and the way to answer.</param>
    protected internal virtual ValueTask OnReceiveAsync(object? data, PacketContext context) => default;

    /// <summary>Runs the sending hooks.</summary>
    internal virtual void Encode(object? data, PacketContext context, IBufferWriter<byte> payload)
        => OnEncode(OnSend(data, context), payload);

    /// <summary>Runs the receiving hooks. Throws <see cref="PayloadException"/> for a payload that does not fit, else what the handler throws.</summary>
    internal virtual ValueTask ReceiveAsync(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, PacketContext context)
        => OnReceiveAsync(Decode(payload, context), context);

    /// <summary>The same for a payload in one piece, which packets that look at the bytes themselves get at for less.</summary>
    internal virtual ValueTask ReceiveAsync(ArraySegment<byte> payload, bool hasBinaryKeys, PacketContext context)
        => ReceiveAsync(new ReadOnlySequence<byte>(payload.Array!, payload.Offset, payload.Count), hasBinaryKeys, context);

    /// <summary>Runs the handler on data that is decoded already.</summary>
    internal virtual ValueTask ReceiveDecodedAsync(object? data, PacketContext context) => OnReceiveAsync(data, context);

    private protected object? Decode(in ReadOnlySequence<byte> payload, PacketContext context)
    {
        try
        {
            return OnDecode(payload, context);
        }
        catch (Exception exception) when (exception is not PayloadException)
        {
            throw Unfit(exception);
        }
    }

    // A lack of memory is this side's own, whatever took the rest.
    private protected PayloadException Unfit(Exception exception)
        => new(exception is OutOfMemoryException ? CloseReason.InternalError : CloseReason.TypeMismatch, $"{GetType().Name} could not decode the payload: {PrintableText.Escape(exception.Message)}", exception);

    private sealed class DelegatePacket : Packet
    {
        private readonly Func<object?, PacketContext, ValueTask> _handler;

        public DelegatePacket(Func<object?, PacketContext, ValueTask> handler)
        {
            ArgumentNullException.ThrowIfNull(handler);
            _handler = handler;
        }

        protected internal override ValueTask OnReceiveAsync(object? data, PacketContext context) => _handler(data, context);
    }
}
