using System.Buffers;
using System.Text;
using Nerdbank.MessagePack;

namespace PacketMQ.Wire;

/// <summary>
/// Reads the maps of control packets, which <see cref="PayloadScanner"/> has found well-formed. Keys and names may be STR or BIN, a
/// key that nobody knows is passed over, whatever its value: that is the door for extensions (protocol, "Handshake").
/// </summary>
internal ref struct ControlPacketReader(in ReadOnlySequence<byte> payload)
{
    // The scanner has judged the depth.
    private static readonly SerializationContext AnyDepth = new() { MaxDepth = int.MaxValue };

    private MessagePackReader _reader = new(payload);
    private string? _firstKey;
    private HashSet<string>? _moreKeys; // most packets have one

    public readonly MessagePackType NextType => _reader.NextMessagePackType;

    /// <summary><see langword="false"/>: the next value is no map; nothing was read.</summary>
    public bool TryReadMapHeader(out int count)
    {
        count = 0;
        if (NextType != MessagePackType.Map)
            return false;
        count = _reader.ReadMapHeader();
        return true;
    }

    /// <summary>Reads a key of the packet's own map. <see langword="null"/>: it is not text, so nobody knows it.</summary>
    public string? ReadKey()
    {
        string? key = ReadText();
        if (key is not null && !IsNew(key))
            throw new ProtocolException(CloseReason.DuplicateKey, $"A control packet has the key '{PrintableText.Escape(key)}' twice.");
        return key;
    }

    /// <summary>
    /// Reads a STR or a BIN as one character a byte, so that equal bytes are equal text, whichever of the two they came as.
    /// <see langword="null"/>: the value was another one, and was passed over.
    /// </summary>
    public string? ReadText()
    {
        ReadOnlySequence<byte>? bytes = NextType switch
        {
            MessagePackType.String => _reader.ReadStringSequence(),
            MessagePackType.Binary => _reader.ReadBytes(),
            _ => null,
        };
        if (bytes is null)
            Skip();
        return bytes is { } text ? Encoding.Latin1.GetString(text) : null;
    }

    /// <summary><see langword="null"/>: the value was no integer, and was passed over. What is above the range is cut to its end.</summary>
    public long? ReadInteger()
    {
        if (NextType != MessagePackType.Integer)
        {
            Skip();
            return null;
        }

        return _reader.NextCode == MessagePackCode.UInt64 ? (long)ulong.Min(_reader.ReadUInt64(), long.MaxValue) : _reader.ReadInt64();
    }

    /// <summary>
    /// Reads a boolean, or the integer 0 or 1 that some Python programs send in its place. <see langword="null"/>: it was something
    /// else, and was passed over.
    /// </summary>
    public bool? ReadFlag()
    {
        if (NextType == MessagePackType.Boolean)
            return _reader.ReadBoolean();
        return ReadInteger() switch
        {
            0 => false,
            1 => true,
            _ => null,
        };
    }

    public void Skip() => _reader.Skip(AnyDepth);

    private bool IsNew(string key)
    {
        if (_firstKey is not null)
            return key != _firstKey && (_moreKeys ??= new HashSet<string>(StringComparer.Ordinal)).Add(key);
        _firstKey = key;
        return true;
    }
}
