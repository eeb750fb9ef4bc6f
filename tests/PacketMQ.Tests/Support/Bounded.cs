namespace PacketMQ.Tests.Support;

/// <summary>Every wait of a test has an end: a fault shows as a failed test, not as one that hangs.</summary>
internal static class Bounded
{
    /// <summary>Far more than any test needs, on a busy machine too. Only a test that hangs ever uses it up.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    public static Task Soon(this Task task) => task.WaitAsync(Limit);

    public static Task<T> Soon<T>(this Task<T> task) => task.WaitAsync(Limit);

    public static Task Soon(this ValueTask task) => task.AsTask().WaitAsync(Limit);

    public static Task<T> Soon<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Limit);

    /// <summary>Gives other threads their turn until something is so that no event tells of.</summary>
    public static async Task UntilAsync(Func<bool> condition)
    {
        using var end = new CancellationTokenSource(Limit);
        while (!condition())
        {
            end.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
