namespace PacketMQ.Fuzz.Targets;

/// <summary>What reading an input may allocate, garbage included: a multiple of the input and a fixed part.</summary>
internal static class MemoryBudget
{
    /// <summary>What is initialized once in a process does not count, so that more than the limit is measured again.</summary>
    public const int Attempts = 3;

    private const int FixedBytes = 65_536;

    public static TResult Check<TState, TResult>(int inputBytes, int factor, TState state, Func<TState, TResult> read)
    {
        long allocated = 0;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            TResult result = read(state);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (Allows(inputBytes, factor, allocated))
                return result;
        }

        throw Exceeded(inputBytes, factor, allocated);
    }

    public static bool Allows(int inputBytes, int factor, long allocatedBytes) => allocatedBytes <= ((long)factor * inputBytes) + FixedBytes;

    public static InvariantException Exceeded(int inputBytes, int factor, long allocatedBytes)
        => new($"{inputBytes} bytes of input made it allocate {allocatedBytes} bytes; the limit is {factor} times the input and {FixedBytes} bytes.");
}
