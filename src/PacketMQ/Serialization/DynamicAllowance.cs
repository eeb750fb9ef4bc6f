using System.Runtime.CompilerServices;

namespace PacketMQ.Serialization;

/// <summary>
/// What the objects of one payload's dynamic values may still take. Each object's size is taken before the object is made, so that what is
/// decoded never takes more than <see cref="PeerOptions.MaxDynamicExpansion"/> says.
/// </summary>
/// <remarks>
/// The sizes are those of a 64-bit process; a 32-bit one needs less. What is taken counts to an <see cref="IObjectBudget"/>, in steps: the
/// first <see cref="FixedBytes"/> are free, and once they do not suffice, they count too.
/// </remarks>
internal struct DynamicAllowance
{
    public const int DefaultExpansion = 16;

    /// <summary>What every payload may take, so that the small ones need not be looked at.</summary>
    public const int FixedBytes = 65_536;

    /// <summary>How much is counted at a time, or a multiple of it.</summary>
    public const int StepBytes = 65_536;

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
    private readonly IObjectBudget? _budget;
    private long _counted; // what is counted, or free, and not taken yet; below 0 once the whole did not suffice
    private long _uncounted;

    /// <param name="payloadBytes">The whole payload's.</param>
    /// <param name="maxExpansion">How many times these; null: unlimited.</param>
    /// <param name="budget">What they count to as well, if anything.</param>
    /// <param name="fixedBytes">And how many bytes more.</param>
    public DynamicAllowance(long payloadBytes, int? maxExpansion, IObjectBudget? budget = null, long fixedBytes = FixedBytes)
    {
        (_payloadBytes, _fixedBytes, _budget) = (payloadBytes, fixedBytes, budget);
        _maxBytes = maxExpansion is { } factor ? (factor * payloadBytes) + fixedBytes : long.MaxValue;
        _counted = Math.Min(_maxBytes, FixedBytes);
        _uncounted = _maxBytes - _counted;
    }

    /// <summary>Bytes; below 0 once it did not suffice.</summary>
    public readonly long Left => _counted + _uncounted;

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

    /// <exception cref="PayloadException">It does not suffice, or the budget wants no more of it.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Take(long bytes)
    {
        if ((_counted -= bytes) < 0)
            Count();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Count()
    {
        long missing = -_counted;
        if (missing > _uncounted)
            throw Exceeded();
        long free = Math.Min(_maxBytes, FixedBytes);
        bool isFirst = _uncounted == _maxBytes - free;
        long step = Math.Min(_uncounted, (missing + StepBytes - 1) & -StepBytes);
        _counted += step;
        _uncounted -= step;
        if (_budget?.TryTake(isFirst ? free + step : step) is false)
            throw new PayloadException(CloseReason.Overloaded, "Reading stopped: the connection ends, because all together hold too much.");
    }

    private readonly PayloadException Exceeded() => new(
        CloseReason.TooManyItems,
        $"A payload of {_payloadBytes} bytes has dynamic values that take more than {_maxBytes} bytes as objects: {(_maxBytes - _fixedBytes) / Math.Max(_payloadBytes, 1)} "
        + $"times its own and {_fixedBytes} are allowed ({nameof(PeerOptions.MaxDynamicExpansion)}).");
}
