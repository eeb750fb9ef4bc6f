using System.Runtime.CompilerServices;

namespace PacketMQ.Serialization;

/// <summary>
/// What the objects of one payload's dynamic values may still take. Each object's size is taken before the object is made, so that what is
/// decoded never takes more than <see cref="PeerOptions.MaxDynamicExpansion"/> says.
/// </summary>
/// <remarks>The sizes are those of a 64-bit process; a 32-bit one needs less.</remarks>
internal struct DynamicAllowance
{
    public const int DefaultExpansion = 16;

    /// <summary>What every payload may take, so that the small ones need not be looked at.</summary>
    public const int FixedBytes = 65_536;

    /// <summary>A number or a <see cref="DateTime"/> as an object: its header, its type, 8 bytes.</summary>
    public const int BoxBytes = 24;

    /// <summary>A <see cref="PacketExtension"/> as an object, without its bytes.</summary>
    public const int ExtensionBytes = 40;

    public const int SinglePairMapBytes = 32;
    public const int TwoPairsMapBytes = 48;
    private const int PairsMapBytes = 32;
    private const int ArrayHeaderBytes = 24;

    private readonly long _payloadBytes;
    private readonly long _maxBytes;
    private readonly long _fixedBytes;

    /// <param name="payloadBytes">The whole payload's.</param>
    /// <param name="maxExpansion">How many times these; null: unlimited.</param>
    /// <param name="fixedBytes">And how many bytes more.</param>
    public DynamicAllowance(long payloadBytes, int? maxExpansion, long fixedBytes = FixedBytes)
    {
        (_payloadBytes, _fixedBytes) = (payloadBytes, fixedBytes);
        _maxBytes = maxExpansion is { } factor ? (factor * payloadBytes) + fixedBytes : long.MaxValue;
        Left = _maxBytes;
    }

    /// <summary>Bytes; below 0 once it did not suffice.</summary>
    public long Left { get; private set; }

    public readonly long Taken => _maxBytes - Left;

    /// <summary>The array of the elements, which are one byte of payload at least.</summary>
    public void TakeArray(int count) => Take(ArrayHeaderBytes + (8L * count));

    /// <summary>A string of at most so many characters: as many as it has bytes of UTF-8, or fewer.</summary>
    public void TakeText(int maxLength) => Take((22 + (2L * maxLength) + 7) & ~7L);

    public void TakeBytes(long count) => Take((ArrayHeaderBytes + count + 7) & ~7L);

    /// <summary>A map of more than two pairs.</summary>
    public void TakePairs(int count)
    {
        int slots = KeyIndex.SlotsFor(count);
        Take(PairsMapBytes + ArrayHeaderBytes + (16L * count) + (slots == 0 ? 0 : ArrayHeaderBytes + (4L * slots)));
    }

    /// <exception cref="PayloadException">It does not suffice.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(long bytes)
    {
        if ((Left -= bytes) < 0)
            throw Exceeded();
    }

    private readonly PayloadException Exceeded() => new(
        CloseReason.TooManyItems,
        $"A payload of {_payloadBytes} bytes has dynamic values that take more than {_maxBytes} bytes as objects: {(_maxBytes - _fixedBytes) / Math.Max(_payloadBytes, 1)} "
        + $"times its own and {_fixedBytes} are allowed ({nameof(PeerOptions.MaxDynamicExpansion)}).");
}
