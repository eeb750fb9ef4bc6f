using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Fuzz.Targets;

/// <summary>What a target found: something that must hold for every input does not hold for this one.</summary>
internal sealed class InvariantException(string message) : Exception(message);

internal static class Invariant
{
    public static void Holds([DoesNotReturnIf(false)] bool condition, string rule)
    {
        if (!condition)
            throw new InvariantException(rule);
    }
}
