namespace PacketMQ.Serialization;

/// <summary>
/// The allowance that the dynamic members of the typed payload which this thread reads have in common. The serializer calls their converter
/// without a word about the payload, and state in its context would be allocated for each.
/// </summary>
internal static class TypedAllowance
{
    [ThreadStatic]
    private static DynamicAllowance _current;

    public static ref DynamicAllowance Current => ref _current;
}
