namespace PacketMQ.Serialization;

/// <summary>
/// The allowance that the dynamic members of the typed payload which this thread reads have in common. The serializer calls their converter
/// without a word about the payload, and state in its context would be allocated for each. Most payloads have no such member, and pay
/// next to nothing.
/// </summary>
internal sealed class TypedAllowance
{
    [ThreadStatic]
    private static TypedAllowance? _ofThread;

    private readonly TypedAllowance? _outer; // of a payload whose constructors read another one
    private DynamicAllowance _allowance;
    private long _payloadBytes;
    private int? _maxExpansion;
    private IObjectBudget? _budget;
    private bool _isInUse;
    private bool _isMade;

    private TypedAllowance(TypedAllowance? outer) => _outer = outer;

    /// <summary>That of the payload that this thread reads; made when a dynamic member first asks for it.</summary>
    public static ref DynamicAllowance Current
    {
        get
        {
            if (_ofThread is not { _isInUse: true } current)
                throw new InvalidOperationException("This thread reads no typed payload.");
            if (!current._isMade)
            {
                current._allowance = new DynamicAllowance(current._payloadBytes, current._maxExpansion, current._budget);
                current._isMade = true;
            }

            return ref current._allowance;
        }
    }

    /// <summary>From here to <see cref="End"/> this thread reads a typed payload.</summary>
    /// <inheritdoc cref="DynamicAllowance(long, int?, IObjectBudget?, long)"/>
    public static TypedAllowance Begin(long payloadBytes, int? maxExpansion, IObjectBudget? budget)
    {
        TypedAllowance? allowance = _ofThread;
        if (allowance is null or { _isInUse: true })
            _ofThread = allowance = new TypedAllowance(allowance);
        allowance._payloadBytes = payloadBytes;
        allowance._maxExpansion = maxExpansion;
        allowance._budget = budget;
        allowance._isInUse = true;
        return allowance;
    }

    public void End()
    {
        _isInUse = false;
        _budget = null;
        if (_isMade)
            (_isMade, _allowance) = (false, default);
        if (_outer is not null)
            _ofThread = _outer;
    }
}
