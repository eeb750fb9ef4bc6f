using System.Buffers;
using PacketMQ.Serialization;
using PolyType;

namespace PacketMQ;

/// <summary>
/// A packet that carries one .NET type: give it a handler, or derive and override the hooks. <typeparamref name="T"/> is a partial
/// record, class or struct with <c>[GenerateShape]</c> (its members become a msgpack map by name), or one of the common types: numbers,
/// <see cref="bool"/>, <see cref="string"/>, <c>byte[]</c>, and arrays and lists of strings.
/// </summary>
/// <typeparam name="T">The type of the data.</typeparam>
/// <remarks>See <see cref="Packet"/> for when and on which thread the hooks are called. Nothing is found by reflection: safe for NativeAOT.</remarks>
public class Packet<T> : Packet
{
    private readonly TypedCodec<T>? _codec;
    private readonly Func<T, PacketContext, ValueTask>? _asyncHandler;
    private readonly Action<T, PacketContext>? _handler;

    /// <summary>Makes a packet with a handler that completes later.</summary>
    /// <param name="handler">Called with the data and its context for each packet that arrives.</param>
    /// <exception cref="NotSupportedException">There is no shape for <typeparamref name="T"/>.</exception>
    public Packet(Func<T, PacketContext, ValueTask> handler)
        : this()
    {
        ArgumentNullException.ThrowIfNull(handler);
        _asyncHandler = handler;
    }

    /// <summary>Makes a packet with a handler that completes at once.</summary>
    /// <inheritdoc cref="Packet{T}(Func{T, PacketContext, ValueTask})"/>
    public Packet(Action<T, PacketContext> handler)
        : this()
    {
        ArgumentNullException.ThrowIfNull(handler);
        _handler = handler;
    }

    /// <summary>Makes a packet that only sends, or whose hooks are overridden.</summary>
    /// <exception cref="NotSupportedException">There is no shape for <typeparamref name="T"/>.</exception>
    public Packet()
        => _codec = TypedCodec<T>.Create();

    /// <summary>Makes a packet for a type that belongs to somebody else, from a shape that was generated for it.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="handler">Called for each packet that arrives; <see langword="null"/> for a packet that only sends.</param>
    public Packet(ITypeShape<T> shape, Func<T, PacketContext, ValueTask>? handler = null)
    {
        ArgumentNullException.ThrowIfNull(shape);
        _codec = new TypedCodec<T>(shape);
        _asyncHandler = handler;
    }

    // For packets whose hooks do all the coding.
    private protected Packet(Func<T, PacketContext, ValueTask>? asyncHandler, Action<T, PacketContext>? handler)
        => (_asyncHandler, _handler) = (asyncHandler, handler);

    /// <inheritdoc cref="Packet.OnSend"/>
    protected internal virtual T OnSend(T data, PacketContext context) => data;

    /// <inheritdoc cref="Packet.OnEncode"/>
    protected internal virtual void OnEncode(T data, IBufferWriter<byte> payload) => _codec!.Write(payload, data);

    /// <summary>Turns a payload into data. An exception means that the payload does not fit: see <see cref="PeerOptions.UnfitPayload"/>.</summary>
    /// <param name="payload">Exactly one well-formed msgpack value within the peer's limits. Valid during the call only.</param>
    /// <param name="hasBinaryKeys">Whether a map in it has BIN keys, as Python 2 sends them; the default reads them as strings.</param>
    /// <param name="context">Where it came from.</param>
    protected internal virtual T OnDecode(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, PacketContext context)
        => _codec!.Read(payload, hasBinaryKeys, context.MaxDynamicExpansion, context.Connection);

    /// <summary>Handles a packet that arrived; calls the handler that was given. The connection's next packet waits until the returned task completes.</summary>
    /// <param name="data">What <see cref="OnDecode(in ReadOnlySequence{byte}, bool, PacketContext)"/> returned.</param>
    /// <param name="context">Where it came from, and the way to answer.</param>
    protected internal virtual ValueTask OnReceiveAsync(T data, PacketContext context)
    {
        if (_handler is { } handler)
        {
            handler(data, context);
            return default;
        }

        return _asyncHandler is { } asyncHandler ? asyncHandler(data, context) : default;
    }

    /// <summary>Leads to <see cref="OnSend(T, PacketContext)"/>.</summary>
    protected internal sealed override object? OnSend(object? data, PacketContext context) => OnSend(Typed(data), context);

    /// <summary>Leads to <see cref="OnEncode(T, IBufferWriter{byte})"/>.</summary>
    protected internal sealed override void OnEncode(object? data, IBufferWriter<byte> payload) => OnEncode(Typed(data), payload);

    /// <summary>Leads to <see cref="OnDecode(in ReadOnlySequence{byte}, bool, PacketContext)"/>.</summary>
    protected internal sealed override object? OnDecode(in ReadOnlySequence<byte> payload, PacketContext context)
        => OnDecode(payload, hasBinaryKeys: true, context);

    /// <summary>Leads to <see cref="OnReceiveAsync(T, PacketContext)"/>.</summary>
    protected internal sealed override ValueTask OnReceiveAsync(object? data, PacketContext context) => OnReceiveAsync(Typed(data), context);

    internal void Encode(T data, PacketContext context, IBufferWriter<byte> payload)
        => OnEncode(OnSend(data, context), payload);

    internal override void Encode(object? data, PacketContext context, IBufferWriter<byte> payload)
        => Encode(Typed(data), context, payload);

    internal sealed override ValueTask ReceiveAsync(in ReadOnlySequence<byte> payload, bool hasBinaryKeys, PacketContext context)
    {
        T data;
        try
        {
            data = OnDecode(payload, hasBinaryKeys, context);
        }
        catch (Exception exception) when (exception is not PayloadException)
        {
            throw Unfit(exception);
        }

        return OnReceiveAsync(data, context);
    }

    private static T Typed(object? data) => data switch
    {
        T typed => typed,
        null when default(T) is null => default!,
        _ => throw new PacketException(
            $"A packet of {typeof(T).Name} was given {(data is null ? "null" : $"a {data.GetType().Name}")}."),
    };
}
